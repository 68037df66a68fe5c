"""Django as a WSGI application, which the threads of ``ledgerproj.front`` call."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledgerproj.settings")

application = get_wsgi_application()

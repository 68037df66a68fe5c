"""All URLs: the admin for people, the API at the root as its clients expect it, and its description."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from ledgerproj import guide, palette
from ledgerproj.own_password import change_own_password
from ledgerproj.second_factor.door import sign_in
from reconciliation.backoffice import saved_views

admin.autodiscover()

handler400 = "balances.backoffice.refusing.bad_request"
handler403 = "balances.backoffice.refusing.permission_denied"
handler404 = "balances.backoffice.refusing.page_not_found"
handler500 = "balances.backoffice.refusing.server_error"
READING = ["get", "head"]
"""Of the page that describes the API: its templates have no answer to OPTIONS."""
urlpatterns = [
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/password_change/", admin.site.admin_view(change_own_password, cacheable=True)),
    path("admin/guide/", admin.site.admin_view(guide.guide), name="guide"),
    path("admin/search/", admin.site.admin_view(palette.search)),  # before the one that unfold has under this address
    path("admin/saved-views/", admin.site.admin_view(saved_views.saved), name="saved_views"),
    path("admin/login/", sign_in),
    path("admin/sessions/", include("ledgerproj.sessions")),
    path("admin/second-factor/", include("ledgerproj.second_factor.views")),
    path("admin/", admin.site.urls),
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path(
        "docs", SpectacularSwaggerSplitView.as_view(url_name="schema", http_method_names=["get", "head"]), name="docs"
    ),
    path("", include("reconciliation.api.urls")),
    path("", include("balances.api.urls")),
]

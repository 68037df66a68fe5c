"""The PostgreSQL server that comes with the app, for machines that have none.

Django loads ``ledgerproj.embedded.base`` as its database backend when no ``DATABASE_URL`` is given.
The server starts with the first connection, never when settings are imported, and stops with the
last process that used it.
"""

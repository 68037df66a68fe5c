"""Django's PostgreSQL backend with a pool that survives a database that goes away: see ``pools``."""

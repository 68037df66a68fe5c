"""All settings. Operators set them by environment; docs/operating.md has them all."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.templatetags.static import static

from ledgerproj import environment
from ledgerproj.sidebar import ACCOUNT, NAVIGATION

# A total of any length that PostgreSQL keeps can be shown: one that was damaged must not end a sweep or a page.
sys.set_int_max_str_digits(150_000)  # numbers in requests are held to far fewer (balances.ground.exact_json)

BASE_DIR = Path(__file__).resolve().parent.parent
LEDGER_DATA_DIR = Path(environment.text("LEDGER_DATA_DIR", str(BASE_DIR / "var"))).resolve()

# --- database: DATABASE_URL, or the embedded server under LEDGER_DATA_DIR
DATABASE_URL = environment.text("DATABASE_URL")
EMBEDDED = not DATABASE_URL
EMBEDDED_DATABASE = "ledger"
DATABASES: dict[str, dict[str, Any]] = {
    "default": {"ENGINE": "ledgerproj.embedded", "NAME": EMBEDDED_DATABASE, "OPTIONS": {}}
    if EMBEDDED
    else environment.database(DATABASE_URL)
}
# More threads would only take turns at the interpreter; fewer would leave none while some wait for locks.
LEDGER_POOL_SIZE = environment.number("LEDGER_POOL_SIZE", max(8, 4 * (os.cpu_count() or 1)), least=1)
# Seven more than requests at work: /health, hot reads and postings, three commits of those that are only stored, are
# answered while they have all the others, and hot reads get another connection while one is being closed.
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": LEDGER_POOL_SIZE + 7}
# The edit journal records this name, unlike that of psql; DATABASE_URL and PGAPPNAME may override it.
DATABASES["default"]["OPTIONS"]["fallback_application_name"] = "ledger-backoffice"
DATABASES["default"]["OPTIONS"]["prepare_threshold"] = (
    0  # only statements that ask for it are prepared: balances.ground.statements
)
LEDGER_REPLICA_URL = environment.text("LEDGER_REPLICA_URL")
if LEDGER_REPLICA_URL:  # sweeps measure there: balances.ground.replicas
    DATABASES["replica"] = environment.database(LEDGER_REPLICA_URL, "LEDGER_REPLICA_URL")
    DATABASES["replica"]["OPTIONS"]["fallback_application_name"] = "ledger-backoffice"
    DATABASES["replica"]["TEST"] = {"MIRROR": "default"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- secrets and modes; the embedded server's secrets are generated once and kept beside its data
DEBUG = environment.flag("DJANGO_DEBUG", default=False)
SECRET_KEY = environment.secret("DJANGO_SECRET_KEY", LEDGER_DATA_DIR / "django_secret_key" if EMBEDDED else None)
BLNK_SERVER_SECURE = environment.flag("BLNK_SERVER_SECURE", default=True)
BLNK_SERVER_SECRET_KEY = environment.secret(
    "BLNK_SERVER_SECRET_KEY", LEDGER_DATA_DIR / "master_key" if EMBEDDED else None
)
BLNK_TOKENIZATION_SECRET = environment.cipher_key(
    "BLNK_TOKENIZATION_SECRET", LEDGER_DATA_DIR / "tokenization_secret" if EMBEDDED else None
)
BLNK_SERVER_PORT = environment.number("BLNK_SERVER_PORT", 5001)
MAX_REQUEST_BODY_BYTES = environment.number("BLNK_SERVER_MAX_REQUEST_BODY_SIZE_MB", 5) * 1024 * 1024
LEDGER_REQUEST_TIMEOUT = environment.number("LEDGER_REQUEST_TIMEOUT", 30, least=1)
LEDGER_WAIT_TIMEOUT = environment.number("LEDGER_WAIT_TIMEOUT", 10, least=1)

# --- postings: whether what waits in the queue counts against what can be spent
BLNK_TRANSACTION_ENABLE_QUEUED_CHECKS = environment.flag("BLNK_TRANSACTION_ENABLE_QUEUED_CHECKS", default=False)

# --- rate limit of the API, of one address to one path; proxies are believed about addresses only if they are named
BLNK_RATE_LIMIT_RPS, BLNK_RATE_LIMIT_BURST = environment.rate_limit("BLNK_RATE_LIMIT_RPS", "BLNK_RATE_LIMIT_BURST")
BLNK_RATE_LIMIT_CLEANUP_INTERVAL_SEC = environment.number("BLNK_RATE_LIMIT_CLEANUP_INTERVAL_SEC", 10_800, least=1)
LEDGER_TRUSTED_PROXIES = environment.networks("LEDGER_TRUSTED_PROXIES")

# --- reads: seconds of the database that one request may take
LEDGER_READ_TIMEOUT = environment.number("LEDGER_READ_TIMEOUT", 5, least=1)

LEDGER_SHARED_COMMITS = environment.flag("LEDGER_SHARED_COMMITS", default=True)  # postings that wait for a commit
LEDGER_HOT_READS = environment.flag("LEDGER_HOT_READS", default=True)  # rows by key and first pages, past Django

# --- sweeps
LEDGER_SWEEP_PACE = min(environment.number("LEDGER_SWEEP_PACE", 10, least=1), 100)
LEDGER_MEASURE_AT_ONCE = environment.number("LEDGER_MEASURE_AT_ONCE", 2, least=1)  # sweeps that measure together
LEDGER_ARCHIVE_DIR = Path(environment.text("LEDGER_ARCHIVE_DIR", str(LEDGER_DATA_DIR / "archive"))).resolve()
LEDGER_ARCHIVE_MEMORY = environment.size("LEDGER_ARCHIVE_MEMORY", "1GB")  # of DuckDB
LEDGER_MEASURE_PROCESSES = environment.number("LEDGER_MEASURE_PROCESSES", 64)  # of the server, for each, at most

# --- accounts: the service that gives numbers, by the names that the original reads
ACCOUNT_NUMBERS_URL = environment.webhook("BLNK_ACCOUNTNUMBERGENERATION_HTTPSERVICE_URL")
ACCOUNT_NUMBERS_AUTHORIZATION = environment.secret(
    "BLNK_ACCOUNTNUMBERGENERATION_HTTPSERVICE_HEADERS_AUTHORIZATION", None
)
if not environment.flag("BLNK_ACCOUNTNUMBERGENERATION_ENABLEAUTOGENERATION", default=False):
    ACCOUNT_NUMBERS_URL = ""
elif not ACCOUNT_NUMBERS_URL:
    raise environment.Misconfigured(
        "BLNK_ACCOUNTNUMBERGENERATION_HTTPSERVICE_URL must say where account numbers come from when "
        "BLNK_ACCOUNTNUMBERGENERATION_ENABLEAUTOGENERATION is true."
    )

# --- webhooks, by the names that the original reads; the master key signs them
BLNK_WEBHOOK_URL = environment.webhook("BLNK_WEBHOOK_URL")
BLNK_WEBHOOK_HEADERS = environment.headers("BLNK_WEBHOOK_HEADERS")

# --- HTTP
ROOT_URLCONF = "ledgerproj.urls"
WSGI_APPLICATION = "ledgerproj.wsgi.application"
LOGIN_REDIRECT_URL = "admin:index"
ALLOWED_HOSTS = environment.names("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
APPEND_SLASH = False  # the contract redirects the other way
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_REQUEST_BODY_BYTES
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not EMBEDDED  # the embedded server is for http on this machine
SESSION_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "balances.backoffice.refusing.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # TLS ends at the proxy in front, which redirects people; API clients are never redirected
    "security.W021",  # the contract's header has no "preload"
]

INSTALLED_APPS = [
    "balances",
    "balances.apps.queueing.QueueingConfig",
    "balances.apps.hooks.HooksConfig",
    "balances.apps.uploads.UploadsConfig",
    "balances.apps.instructions.InstructionsConfig",
    "reconciliation",
    "ledgerproj",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls.py finds the admin modules; commands do without them
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "axes",
]
MIDDLEWARE = [
    "balances.api.gate.ApiGate",  # answers all that is not a page; what follows is for people
    "ledgerproj.page_headers.PageHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "ledgerproj.sessions.SessionLimits",
    "ledgerproj.own_password.OwnPasswords",
    "ledgerproj.second_factor.policy.SecondFactorOfEveryone",
    "balances.backoffice.refused_pages.RefusedPages",
    "ledgerproj.signing_in.SignInLimit",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- signing in: after so many failures a user name is closed to one network for a while
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # the page says how long to wait, and that is so
AXES_USERNAME_CALLABLE = "ledgerproj.signing_in.username_of"
AXES_CLIENT_IP_CALLABLE = "ledgerproj.signing_in.network_of_client"
AXES_LOCKOUT_CALLABLE = "ledgerproj.signing_in.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # who signed in and did what is on record elsewhere
AXES_ENABLE_ADMIN = AXES_VERBOSE = False

# Whom a second factor is asked of. No one is locked out: who has none signs in with the password, and sets one up.
LEDGER_SECOND_FACTOR = environment.choice(
    "LEDGER_SECOND_FACTOR", "off" if EMBEDDED else "approvers", ("off", "approvers", "everyone")
)

# For how many days a login or a key that somebody made or changed is no second person for them; 0 asks for nothing.
LEDGER_INDEPENDENT_DAYS = environment.number("LEDGER_INDEPENDENT_DAYS", 0, least=0)

# How long a session lasts without a request, and at most, in seconds; longer where it is one machine's own.
LEDGER_SESSION_IDLE = 60 * environment.number("LEDGER_SESSION_IDLE_MINUTES", 480 if EMBEDDED else 30, least=1)
SESSION_COOKIE_AGE = 3600 * environment.number("LEDGER_SESSION_HOURS", 168 if EMBEDDED else 12, least=1)

# --- caches: of this process alone, so that nothing of a key ever leaves it
LOCAL_CACHE = "django.core.cache.backends.locmem.LocMemCache"
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": LOCAL_CACHE},
    "verified_api_keys": {"BACKEND": LOCAL_CACHE, "LOCATION": "api keys", "OPTIONS": {"MAX_ENTRIES": 10_000}},
}

# --- four eyes: which plans need a second person. What amount matters differs from currency to currency and from
# house to house, so until somebody says so each plan needs one.
LEDGER_FOUR_EYES_AMOUNTS = environment.limits("LEDGER_FOUR_EYES_AMOUNTS", "*=0")  # minor units of gross drift
LEDGER_FOUR_EYES_BALANCES = environment.number("LEDGER_FOUR_EYES_BALANCES", 1)
LEDGER_FOUR_EYES_LEDGERS = environment.names("LEDGER_FOUR_EYES_LEDGERS", "")  # ids or names
LEDGER_FOUR_EYES_DIRECT = environment.flag(
    "LEDGER_FOUR_EYES_DIRECT", default=True
)  # also for what a person does at once
LEDGER_FOUR_EYES_BY_HAND = environment.limits("LEDGER_FOUR_EYES_BY_HAND", "")  # minor units; nothing: never
LEDGER_BY_HAND_AT_MOST = environment.limits("LEDGER_BY_HAND_AT_MOST", "")  # of one instruction; nothing: no bound

# --- time and language
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_THOUSAND_SEPARATOR = False

# --- static files: served by whitenoise straight from the packages, so there is nothing to collect first
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
STATICFILES_DIRS = [("guide", BASE_DIR / "docs" / "guide")]  # pictures of the guide

# --- API
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["balances.shapes.rendering.ExactJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],  # bodies are decoded by balances.api.go.body, whatever Content-Type says
    "DEFAULT_AUTHENTICATION_CLASSES": [],  # balances.api.gate has checked the key before any view runs
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "balances.shapes.rendering.JSONWhateverIsAsked",
    "DEFAULT_SCHEMA_CLASS": "balances.shapes.describing.JSONBodies",
    "EXCEPTION_HANDLER": "balances.api.errors.answer",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Ledger back-office",
    "DESCRIPTION": "Ledgers, balances and transactions, wire-compatible with Blnk Core, and their reconstruction.",
    "VERSION": "0.2.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["balances.shapes.describing.restore_docstrings"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "balances.shapes.describing.describe_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "SweepState": "reconciliation.models.Sweep.State",
        "PlanState": "reconciliation.models.Plan.State",
        "TransactionStatus": "balances.models.Transaction.Status",
        "WatchedTotal": "balances.models.monitors.Watched",
        "MonitorOperator": "balances.models.monitors.Operator",
    },
    "APPEND_COMPONENTS": {"securitySchemes": {"MasterKey": {"type": "apiKey", "in": "header", "name": "X-Blnk-Key"}}},
    "SECURITY": [{"MasterKey": []}],
}

# --- background jobs
PROCRASTINATE_IMPORT_PATHS = [
    "balances.events.tasks",
    "balances.history.tasks",
    "balances.instructing.tasks",
    "balances.lineage.tasks",
    "balances.posting.tasks",
    "balances.queueing.tasks",
    "balances.uploads.tasks",
    "reconciliation.casework.mentioning",
    "reconciliation.correcting.tasks",
    "reconciliation.records.tasks",
    "reconciliation.sweeping.tasks",
    "reconciliation.watching.tasks",
]

# --- work: the states that staff move it through; the last one means finished
LEDGER_WORK_STATES = environment.names("LEDGER_WORK_STATES", "Open,In progress,Waiting,Done")
if len(LEDGER_WORK_STATES) < 2:
    raise environment.Misconfigured("LEDGER_WORK_STATES must name at least two states; the last one means finished.")

# --- watching: when sweeps and snapshots start by default (the admin can change it), and who is notified of alerts
LEDGER_SWEEP_CRON = environment.text("LEDGER_SWEEP_CRON", "0 2 * * *")
LEDGER_SNAPSHOT_CRON = environment.text("LEDGER_SNAPSHOT_CRON", "5 0 * * *")
LEDGER_HOLD_DAYS = environment.number("LEDGER_HOLD_DAYS", 90)
LEDGER_SWEEP_GRACE = timedelta(minutes=environment.number("LEDGER_SWEEP_GRACE_MINUTES", 180))
LEDGER_ALERT_AFTER_SWEEPS = environment.number("LEDGER_ALERT_AFTER_SWEEPS", 2, least=1)
LEDGER_ALERT_WEBHOOK_URL = environment.webhook("LEDGER_ALERT_WEBHOOK_URL")
LEDGER_ALERT_WEBHOOK_SECRET = environment.secret("LEDGER_ALERT_WEBHOOK_SECRET", None) or BLNK_SERVER_SECRET_KEY
LEDGER_ALERT_GROUP = environment.text("LEDGER_ALERT_GROUP")
LEDGER_WATCH = environment.flag("LEDGER_WATCH", default=EMBEDDED)  # a lane of work reads the write-ahead log
LEDGER_WATCH_GRACE = timedelta(seconds=environment.number("LEDGER_WATCH_GRACE_SECONDS", 5))
LEDGER_WATCH_MAX_WAL = environment.size("LEDGER_WATCH_MAX_WAL", "1GB")
LEDGER_PUBLIC_URL = environment.text("LEDGER_PUBLIC_URL", f"http://localhost:{BLNK_SERVER_PORT}").rstrip("/")
BLNK_ENABLE_OBSERVABILITY = environment.flag("BLNK_ENABLE_OBSERVABILITY", default=True)
BLNK_METRICS_BEARER_TOKEN = environment.secret("BLNK_METRICS_BEARER_TOKEN", None)
MAIL = environment.email("EMAIL_URL")
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = environment.text("EMAIL_FROM", "ledger@localhost")
if LEDGER_ALERT_GROUP and not EMAIL_HOST:
    raise environment.Misconfigured("EMAIL_URL must say where mail is sent when LEDGER_ALERT_GROUP names who gets it.")
if LEDGER_ALERT_WEBHOOK_URL and not LEDGER_ALERT_WEBHOOK_SECRET:
    raise environment.Misconfigured(
        "LEDGER_ALERT_WEBHOOK_SECRET must be set: it signs what LEDGER_ALERT_WEBHOOK_URL gets."
    )

# --- admin
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Ledger back-office",
    "SITE_HEADER": "Ledger back-office",
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "ENVIRONMENT": "ledgerproj.adopting.badge.mode_of",
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "reconciliation.backoffice.home.dashboard",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("balances/icon.svg")}],
    "STYLES": [(lambda request, name=name: static(f"balances/{name}.css")) for name in ("theme", "money", "frame")],
    "SCRIPTS": [(lambda request, name=name: static(f"balances/{name}.js")) for name in ("frame", "copy")],
    "GLOBAL_CALLBACK": "ledgerproj.frame.context",
    "ACCOUNT": {"navigation": ACCOUNT},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": NAVIGATION,
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_outages"]}},
    "filters": {
        "without_arguments": {"()": "ledgerproj.logs.WithoutArguments"},
        "without_outages": {"()": "ledgerproj.logs.WithoutOutages"},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "mt940": {"level": "CRITICAL"},  # refusals say what could not be read
        "procrastinate.worker": {"filters": ["without_arguments"]},
        "psycopg": {"level": "ERROR"},  # ledgerproj.postgresql.pools says what matters, once
    },
}

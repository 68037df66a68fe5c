"""What operators of this product forget, found by ``manage.py check --deploy`` and said in plain words.

Django's own checks of a deployment come first; what they say is not repeated here. docs/operating.md lists the ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import connections
from django.utils import timezone

from balances.ground import MASTER, Statement
from ledgerproj.environment import is_loopback, weakness

GUARDS_OFF = Statement.beside(__file__, "guards_off.sql")
ROLE = Statement.beside(__file__, "database_role.sql")
LONGEST_IDLE, LONGEST_SESSION = 2 * 3600, 24 * 3600
"""Seconds beyond which a session of staff lasts too long."""
MASTER_KEY_SEEN = timedelta(days=30)
NAMED = 5
"""People or tables that one warning names."""
Found = Iterator[checks.CheckMessage]


def warning(number: int, said: str, hint: str) -> checks.Warning:
    """Return what is wrong and why, with what to do."""
    return checks.Warning(said, hint=hint, id=f"ledger.W{number:03}")


def check_settings(**_: Any) -> Sequence[checks.CheckMessage]:
    """Return what is wrong with the environment."""
    return [*_secrets(), *_ways_in(), *_browsers(), *_people(), *_surroundings()]


def check_database(databases: Sequence[str] | None = None, **_: Any) -> Sequence[checks.CheckMessage]:
    """Return what is wrong with the database's user, its guards and the logins, where a database is looked at."""
    if "default" not in (databases or ()):
        return []
    if "reconciliation_step" not in connections["default"].introspection.table_names():
        return []  # not migrated yet
    return [*_role(), *_guards(), *_logins()]


def _secrets() -> Found:
    if wrong := weakness(settings.SECRET_KEY):
        yield warning(
            1,
            f"DJANGO_SECRET_KEY {wrong}. It signs sessions, and secrets of authenticator apps are encrypted with it: "
            "one who guesses it signs in as anyone.",
            "Give it a long random value, and keep it: it is needed again after a restart.",
        )
    if settings.BLNK_SERVER_SECURE and (wrong := weakness(settings.BLNK_SERVER_SECRET_KEY)):
        yield warning(
            2,
            f"BLNK_SERVER_SECRET_KEY {wrong}. It is the master key, which may do everything.",
            "Give it a long random value. Give services keys of their own, and people logins.",
        )


def _ways_in() -> Found:
    if not settings.BLNK_SERVER_SECURE:
        yield warning(
            3,
            "BLNK_SERVER_SECURE is false: anyone who reaches the API may read and change everything.",
            "Remove it, or set it to true.",
        )
    if settings.DEBUG:
        yield warning(
            4,
            "DJANGO_DEBUG is true: an error shows settings, data and code to the person who caused it.",
            "Remove it, or set it to false.",
        )
    if "*" in settings.ALLOWED_HOSTS or all(is_loopback(host.strip("[]")) for host in settings.ALLOWED_HOSTS):
        yield warning(
            5,
            f"ALLOWED_HOSTS is {','.join(settings.ALLOWED_HOSTS) or 'empty'}: with * any host name is believed, and "
            "with names of this machine alone no one else is answered.",
            "Name the hosts under which people and clients reach the server, such as ledger.example.com.",
        )


def _browsers() -> Found:
    if not settings.LEDGER_PUBLIC_URL.startswith("https://"):
        yield warning(
            6,
            "LEDGER_PUBLIC_URL is not https: passwords and keys go over the network as they are, passkeys do not work, "
            "and links in mails lead nowhere.",
            "End TLS at a proxy in front, and set LEDGER_PUBLIC_URL to the address that people open.",
        )
    cookies = settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE and settings.SESSION_COOKIE_HTTPONLY
    if not (cookies and settings.SECURE_HSTS_SECONDS):
        yield warning(
            7,
            "Cookies also go over http, or browsers are not asked to stay with https: sessions can be read on the way.",
            "Set DATABASE_URL: with the embedded database everything is for http on this machine.",
        )


def _people() -> Found:
    if settings.LEDGER_SECOND_FACTOR == "off":
        yield warning(
            8,
            "LEDGER_SECOND_FACTOR is off: one password that is stolen is enough to approve plans and payments.",
            "Set it to approvers or to everyone. It locks no one out.",
        )
    if not settings.LEDGER_INDEPENDENT_DAYS:
        yield checks.Info(
            "LEDGER_INDEPENDENT_DAYS is 0: an administrator can make a login, and approve with it what he asked for.",
            hint="Set it to 30, once the people are there who approve for each other.",
            id="ledger.I002",
        )
    amounts = settings.LEDGER_FOUR_EYES_AMOUNTS
    if not settings.LEDGER_FOUR_EYES_DIRECT or (amounts and all(limit is None for limit in amounts.values())):
        yield warning(
            9,
            "One person alone may correct balances by any amount (LEDGER_FOUR_EYES_AMOUNTS or "
            "LEDGER_FOUR_EYES_DIRECT lifts the limit).",
            "Set LEDGER_FOUR_EYES_AMOUNTS to limits such as USD=100000,*=0, and LEDGER_FOUR_EYES_DIRECT to true.",
        )
    by_hand = settings.LEDGER_FOUR_EYES_BY_HAND
    if not by_hand or by_hand.get("*", 0) is None:
        yield warning(
            10,
            "One person alone may move any amount of money by hand, at least in some currencies "
            "(LEDGER_FOUR_EYES_BY_HAND).",
            "Set limits such as USD=100000,*=0. Beyond them an instruction waits for a second person.",
        )
    if settings.LEDGER_SESSION_IDLE > LONGEST_IDLE or settings.SESSION_COOKIE_AGE > LONGEST_SESSION:
        yield warning(
            11,
            "Sessions last for more than 2 hours without a request, or for more than a day: a screen that was left "
            "open is open to anyone who passes.",
            "Lower LEDGER_SESSION_IDLE_MINUTES and LEDGER_SESSION_HOURS, or leave them out.",
        )


def _surroundings() -> Found:
    if not settings.LEDGER_TRUSTED_PROXIES:
        yield warning(
            12,
            "LEDGER_TRUSTED_PROXIES names no proxy: all clients behind one count as one for limits, an attacker's "
            "wrong passwords close names to everyone, and records show the proxy's address.",
            "Name the addresses or networks of the proxies in front, such as 10.0.0.7.",
        )
    if not settings.EMAIL_HOST:
        yield warning(
            13,
            "EMAIL_URL says nowhere to send mail: no one is written to about alerts or plans that wait.",
            "Set it to a mail server, such as smtp+tls://user:password@mail.example.com:587.",
        )
    if settings.EMBEDDED:
        yield warning(
            14,
            "DATABASE_URL is not set: the embedded database is for one machine, with nothing that copies it elsewhere.",
            "Set DATABASE_URL to a PostgreSQL with backups.",
        )


def _role() -> Found:
    role = ROLE.rows()[0]
    if role["is_superuser"] or role["may_replicate_past_triggers"]:
        yield warning(
            15,
            f"The database user {role['name']} is a superuser, or may set session_replication_role: it can switch the "
            "guards of transactions and records off.",
            "Connect as a user that owns its tables and no more: ALTER ROLE … NOSUPERUSER.",
        )
    if role["owned"]:
        yield checks.Info(
            f"The database user {role['name']} owns {role['owned']} of the guarded tables, as migrate needs it, and so "
            "could disable their triggers.",
            hint="Keep the head of the chain where this user cannot write: manage.py verify_records prints it.",
            id="ledger.I001",
        )


def _guards() -> Found:
    if off := [f"{row['name']} of {row['of_table']}" for row in GUARDS_OFF.rows()]:
        more = f" and {len(off) - NAMED} more" if len(off) > NAMED else ""
        yield warning(
            16,
            f"Triggers that guard transactions and records are switched off: {', '.join(off[:NAMED])}{more}. "
            "What is changed now leaves no trace.",
            "Switch them on with ALTER TABLE … ENABLE TRIGGER, then run a sweep and verify_records.",
        )


def _logins() -> Found:
    from django.contrib.auth.models import User

    from reconciliation.models import Step  # models are not ready where this module is imported

    bare = User.objects.filter(is_superuser=True, is_active=True, factors__isnull=True)
    if names := list(bare.order_by("username").values_list("username", flat=True)[:NAMED]):
        yield warning(
            17,
            f"Superusers without a second factor: {', '.join(names)}. They may do everything, with a password alone.",
            "Have them set one up under Second factor, in the menu of their name.",
        )
    since = timezone.now() - MASTER_KEY_SEEN
    if Step.objects.filter(actor=MASTER.actor, taken_at__gt=since).exists():
        yield warning(
            18,
            "The master key took steps of plans in the last 30 days: all who hold it count as one, and no record says "
            "who it was.",
            "Issue keys with scopes and owners, and keep the master key for emergencies.",
        )

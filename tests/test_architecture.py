"""The shape of the house, kept by tests: who imports whom, who holds a cursor, how long things may get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ledgerproj", "balances", "reconciliation")
CURSORS = {
    "balances/statements.py": "runs the statements in .sql files",
    "balances/importing/copying.py": "COPY is no statement that returns rows",
    "balances/upkeep.py": "ANALYZE and VACUUM are none either",
}
"""The only modules that open a cursor, and why."""
FUNCTION_LINES, MODULE_LINES = 60, 400


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]


def names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_core_app_never_imports_what_is_built_on_it() -> None:
    guilty = [
        (relative(path), name)
        for path in modules()
        for name in names(path)
        if path.is_relative_to(ROOT / "balances") and name.split(".")[0] in {"reconciliation", "ledgerproj"}
    ]
    assert guilty == []


def test_services_know_nothing_of_http_html_or_argv() -> None:
    services = [
        *(
            ROOT / "balances" / name
            for name in (
                "models.py",
                "amounts.py",
                "exceptions.py",
                "posting_exceptions.py",
                "keys.py",
                "keyring.py",
                "principals.py",
                "holders.py",
                "identities.py",
                "tokenizing.py",
                "tokens.py",
                "accounts.py",
                "monitors.py",
                "monitoring.py",
                "history.py",
                "instants.py",
                *(
                    f"hooks/{name}.py"
                    for name in ("models", "registry", "exceptions", "sending", "delivering", "tasks")
                ),
            )
        ),
        *(ROOT / "balances" / "posting").glob("*.py"),
        *(ROOT / "balances" / "lineage").glob("*.py"),
        *((ROOT / "balances" / "queueing") / f"{name}.py" for name in ("entries", "enqueuing", "draining", "recovery")),
        *(ROOT / "reconciliation" / "models").glob("*.py"),
        *(ROOT / "reconciliation" / name for name in ("runs.py", "reconstruction.py", "scope.py")),
    ]
    adapters = (
        "django.http",
        "rest_framework",
        "django.contrib.admin",
        "django.core.management",
        "balances.api",
        "unfold",
    )
    guilty = [(relative(path), name) for path in services for name in names(path) if name.startswith(adapters)]
    assert guilty == []


def test_cursors_are_opened_in_few_named_places() -> None:
    found = {relative(path) for path in modules() if ".cursor(" in path.read_text()}
    assert found == set(CURSORS)


def test_functions_and_modules_stay_small() -> None:
    long = []
    for path in modules():
        tree = ast.parse(path.read_text())
        if len(path.read_text().splitlines()) > MODULE_LINES:
            long.append(relative(path))
        long += [
            f"{relative(path)}:{node.name}"
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
        ]
    assert long == []


def test_every_command_has_a_test() -> None:
    commands = [path.stem for path in modules() if path.parent.name == "commands" and path.stem != "__init__"]
    tested = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in commands if f'"{name}"' not in tested] == []


def test_every_sql_file_says_what_it_is_for() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("sql/*.sql")]
    assert len(files) > 5
    assert [relative(path) for path in files if not path.read_text().startswith("-- Purpose: ")] == []


def test_balances_is_listed_before_what_extends_it() -> None:
    apps = settings.INSTALLED_APPS
    assert apps.index("balances") < apps.index("reconciliation")


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_the_order_in_which_movements_are_committed_stands_in_one_place() -> None:
    found = {path.name for path in modules() if "lineage.note(" in path.read_text()}
    assert found == {"committing.py"}

"""The shape of the house, kept by tests: its rooms, who imports whom, who holds a cursor, how long things get.

A room is a folder of ``balances`` or ``reconciliation``. Rooms stand in an order, and each imports from those below it
alone, through their ``__init__``. Imports for types and inside functions count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ledgerproj", "balances", "reconciliation")
ROOMS = {
    "balances": [
        "ground",
        "models",
        "books",
        "shapes",
        "monitors",
        "events",
        "people",
        "recording",
        "queueing",
        "posting",
        "lineage",
        "keys",
        "history",
        "importing",
        "uploads",
        "instructing",
        "api",
        "backoffice",
    ],
    "reconciliation": [
        "measuring",
        "models",
        "records",
        "archiving",
        "checks",
        "explaining",
        "correcting",
        "alerting",
        "sweeping",
        "casework",
        "proving",
        "overview",
        "watching",
        "drill",
        "api",
        "backoffice",
        "management",
    ],
}
"""From the ground up: docs/design/architecture.md says what each is for."""
DJANGO_FOLDERS = {"apps", "management", "migrations", "static", "templatetags"}
"""Folders whose names and places are Django's."""
MODULES_BESIDE_ROOMS = 4
CURSORS = {
    "balances/ground/statements.py": "runs the statements in .sql files",
    "balances/importing/copying.py": "COPY is no statement that returns rows",
    "reconciliation/archiving/reading.py": "COPY again, of a month",
    "balances/ground/upkeep.py": "ANALYZE and VACUUM are none either",
    "ledgerproj/moving/copying.py": "COPY from one server to another",
    "ledgerproj/moving/comparing.py": "a cursor of the server's reads both sides in one order, with flat memory",
}
"""The only modules that open a cursor, and why."""
OUTWARD = {"api", "backoffice", "shapes", "management", "drill", "templatetags", "apps", "uploads"}
"""Rooms that may know of HTTP, HTML or argv; and what plants damage, or takes files from a form."""
KNOW_OF_REQUESTS = {"balances/ground/addresses.py", "balances/ground/rate_limit.py"}
"""What the API and sign-ins share: the address of a client, and how often it may ask."""
FUNCTION_LINES, MODULE_LINES = 60, 400


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def known() -> dict[str, Path]:
    return {dotted(path): path for path in modules()}


@cache
def names(path: Path) -> list[str]:
    return list(_names(path))


def _names(path: Path) -> Iterator[str]:
    """Yield what a module imports: modules of ours as far as they are named, and whatever else by its first name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known() else node.module or ""


@cache
def imported(name: str) -> list[str]:
    return [found for found in names(known()[name]) if found in known() and found != name]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(name: str) -> tuple[str, str] | None:
    """Return the building and the room of a module, if it stands in one."""
    building, _, rest = name.partition(".")
    inner = rest.partition(".")[0]
    return (building, inner) if inner in ROOMS.get(building, ()) else None


def is_outside(importer: str, target: str) -> str | None:
    """Return the package that a module should have imported from, where it went past its ``__init__``."""
    if room(target) is None:
        return None
    ours, theirs = importer.split("."), target.split(".")
    common = next(
        (at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
    )
    door = ".".join(theirs[: max(common + 1, 2)])
    is_package = door in known() and known()[door].name == "__init__.py"
    return door if is_package and door != target else None


def test_the_folders_of_the_house_are_its_rooms() -> None:
    for building, rooms in ROOMS.items():
        found = {path.parent.name for path in (ROOT / building).glob("*/__init__.py")} - (DJANGO_FOLDERS - set(rooms))
        assert found == set(rooms)
        assert len(list((ROOT / building).glob("[!_]*.py"))) <= MODULES_BESIDE_ROOMS


def test_a_room_imports_from_those_below_it_alone() -> None:
    back = [
        (name, target)
        for name in known()
        for target in imported(name)
        if (here := room(name)) and (there := room(target)) and here[0] == there[0]
        if ROOMS[here[0]].index(there[1]) > ROOMS[here[0]].index(here[1])
    ]
    assert back == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """A package's ``__init__`` is its door: what goes through it depends on whatever it lets out."""
    TopologicalSorter({name: imported(name) for name in known()}).prepare()


def test_nobody_goes_past_the_door_of_a_room() -> None:
    past = [
        f"{name} imports {node.module} past {door}"
        for name, path in known().items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module and (door := is_outside(name, node.module))
    ]
    assert past == []


def test_the_core_app_never_imports_what_is_built_on_it() -> None:
    guilty = [
        (relative(path), name)
        for path in modules()
        for name in names(path)
        if path.is_relative_to(ROOT / "balances") and name.split(".")[0] in {"reconciliation", "ledgerproj"}
    ]
    assert guilty == []


def test_services_know_nothing_of_http_html_or_argv() -> None:
    adapters = ("django.http", "rest_framework", "django.contrib.admin", "django.core.management", "unfold")
    guilty = [
        (relative(path), name)
        for path in modules()
        if (here := room(dotted(path))) and here[1] not in OUTWARD and relative(path) not in KNOW_OF_REQUESTS
        for name in names(path)
        if name.startswith(adapters)
    ]
    assert guilty == []


def test_cursors_are_opened_in_few_named_places() -> None:
    found = {relative(path) for path in modules() if ".cursor(" in path.read_text()}
    assert found == set(CURSORS)


def test_functions_and_modules_stay_small() -> None:
    long = []
    for path in modules():
        if len(path.read_text().splitlines()) > MODULE_LINES:
            long.append(relative(path))
        long += [
            f"{relative(path)}:{node.name}"
            for node in ast.walk(tree(path))
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

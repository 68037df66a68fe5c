"""What the documents name is there."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command

import ledgerproj.urls  # noqa: F401 - registers the pages, before an example is tried without registering
from balances.ground import BalanceNotFound
from balances.management.commands.import_ledger import Command
from balances.models import Balance
from ledgerproj import environment
from reconciliation import checks
from reconciliation.explaining.causes import Case, Drift
from reconciliation.measuring.measurement import measure
from tests.benchmarks.differing import known
from tests.test_wording import PLAINER

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = {"BLNK_SLACK_WEBHOOK_URL", "BLNK_RUN_RECONCILIATION", "BLNK_RECONCILIATION_RESULT", "BLNK_LINEAGE_PROVIDER"}
"""What only the original reads, and keys of metadata."""


def test_every_test_that_the_page_of_differences_names_exists() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", (ROOT / "COMPATIBILITY.md").read_text()))
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / "tests" / name).exists()] == []


IMPORTING = (ROOT / "docs" / "importing.md").read_text()
BLOCKS = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.django_db
def test_every_example_of_importing_runs_and_leaves_no_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = 0
    for language, name, content in BLOCKS.findall(IMPORTING):
        if language != "sh":
            Path(name).write_text(content)
            continue
        _, _, _, *words = shlex.split(content)
        said = StringIO()
        call_command(*words, stdout=said)
        assert "Imported " in said.getvalue()
        assert "fails" not in said.getvalue()
        commands += 1
    assert commands > 7
    assert not any(one.has_drift for one in measure(list(Balance.objects.values_list("pk", flat=True))))


def test_the_page_on_importing_has_every_option_of_the_command() -> None:
    options = {
        word
        for action in Command().create_parser("manage.py", "import_ledger")._actions
        for word in action.option_strings
    }
    common = {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color"}
    ours = {word for word in options if word.startswith("--")} - common - {"--force-color", "--skip-checks"}
    assert [word for word in sorted(ours) if word not in IMPORTING] == []


DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PRODUCT = ("balances", "reconciliation", "ledgerproj", "templates")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    return there.exists() and (not anchor or anchor in anchors(there))


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    links = [
        (page.name, target)
        for page in DOCUMENTS
        for target in LINK.findall(FENCED.sub("", page.read_text()))
        if "://" not in target and not leads_somewhere(page, target)
    ]
    assert links == []


@cache
def variables_read() -> set[str]:
    """Return every environment variable that product code reads by name."""
    readers = {name for name, member in vars(environment).items() if callable(member) and not isinstance(member, type)}
    found = set()
    for path in (path for name in PRODUCT for path in (ROOT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and is_reader(ast.unparse(node.func), readers):
                found |= {each.value for each in node.args if isinstance(each, ast.Constant)}
    return {word for word in found if isinstance(word, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)+", word)}


def is_reader(function: str, readers: set[str]) -> bool:
    module, _, name = function.rpartition(".")
    return (name in readers and module in {"", "environment"}) or function in {"os.environ.get", "os.getenv"}


def test_operating_has_every_variable_that_is_read_and_no_other() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    documented = re.findall(r"^\| `([A-Z_]+)` \|", page.partition("## Settings")[2], re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == variables_read()


def test_documents_name_no_variable_that_is_not_read() -> None:
    named = re.compile(r"`((?:LEDGER|BLNK|DJANGO)_[A-Z_]+)(?:=[^`]*)?`")
    allowed = variables_read() | NOT_OURS
    unread = [(page.name, name) for page in DOCUMENTS for name in named.findall(page.read_text())]
    assert [each for each in unread if each[1].rstrip("_") not in allowed and not each[1].endswith("_")] == []


def test_the_readme_has_the_two_commands_as_blocks() -> None:
    blocks = {content.strip() for language, _, content in BLOCKS.findall((ROOT / "README.md").read_text())}
    assert {"pip install uv && uv run manage.py quickstart", "pip install uv && uv run pytest"} <= blocks


def test_the_page_of_differences_has_the_words_that_the_comparison_with_core_quotes() -> None:
    assert known.missing_words() == []


def test_the_image_copies_what_is_there_and_compose_sets_what_is_read() -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {*PRODUCT, "manage.py"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    compose, example = (ROOT / "compose.yaml").read_text(), (ROOT / "compose.env.example").read_text()
    given = set(re.findall(r"^    ([A-Z_]+): ", compose, re.MULTILINE))
    assert given <= variables_read()
    assert set(re.findall(r"\$\{([A-Z_]+)", compose)) == set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))


def test_one_version_stands_in_the_changelog_the_project_and_the_schema() -> None:
    newest = re.search(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert newest[1] == project["version"] == settings.SPECTACULAR_SETTINGS["VERSION"]


CONTRIBUTING = ROOT / "docs" / "contributing.md"


def test_every_path_that_a_document_names_exists() -> None:
    folders = (*PRODUCT, "tests", "docs")
    named = re.compile(rf"`((?:{'|'.join(folders)})/[\w./-]*)`")
    pages = [page for page in DOCUMENTS if page.name != "COMPATIBILITY.md"]  # it names tests from tests/ on
    paths = {(page.name, path) for page in pages for path in named.findall(page.read_text())}
    paths |= {(page.name, path) for page in pages for path in re.findall(r"\btests/[\w/]+\.py", page.read_text())}
    assert len(paths) > 60
    assert [(page, path) for page, path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.django_db
def test_the_smallest_check_is_one(tmp_path: Path) -> None:
    path = tmp_path / "below_zero.sql"
    path.write_text(example("### A check"))
    assert checks._read(path).faults() == []


def test_the_smallest_cause_explains_a_fee_and_nothing_else() -> None:
    scope = run(example("### A cause of drift"))
    explained = [
        list(scope["propose"](Case(measurement=None, drift=drift, rest=drift)))  # type: ignore[arg-type]
        for drift in (Drift(debit=25), Drift(debit=24), Drift(credit=25))
    ]
    assert [len(each) for each in explained] == [1, 0, 0]
    assert explained[0][0].cause == scope["CAUSES"][0].slug


@pytest.mark.django_db
def test_the_smallest_route_and_page_are_made_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    view = run(example("### A route"))["BalanceCurrencyView"]
    with pytest.raises(BalanceNotFound):
        view().get(None, "bln_none")
    monkeypatch.setattr("django.contrib.admin.register", lambda *_: lambda page: page)
    scope = run(example("### A page"))
    assert scope["SealAdmin"](scope["Seal"], admin.site).check() == []


def example(heading: str) -> str:
    """Return the block of a chapter of the page on contributing."""
    return str(BLOCKS.findall(CONTRIBUTING.read_text().partition(f"\n{heading}\n")[2])[0][2])


def run(block: str) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "example"}
    exec(block, scope)  # noqa: S102 - a block of a page of ours
    return scope


def test_documents_are_written_in_plain_words() -> None:
    pages = {page.name: page.read_text() for page in (*DOCUMENTS, ROOT / "compose.yaml", ROOT / "Dockerfile")}
    prose = {name: re.sub(r"`[^`\n]+`", "", text) for name, text in pages.items()}  # names of files stay
    assert [(name, match.group()) for name, text in prose.items() for match in PLAINER.finditer(text)] == []

"""What the documents name is there."""

from __future__ import annotations

import re
import shlex
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from balances.management.commands.import_ledger import Command
from balances.models import Balance
from reconciliation.reconstruction import measure

ROOT = Path(__file__).resolve().parent.parent


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

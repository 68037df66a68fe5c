"""An interpreter that drops docstrings and asserts (``python -OO``) must answer as any other one does."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.serving import ROOT, environment
from tests.test_architecture import modules, relative

pytestmark = pytest.mark.django_db(transaction=True)


def said(*flags: str) -> Any:
    """Return what an interpreter with these flags has to say."""
    words = [sys.executable, *flags, "-m", "tests.stripped"]
    given = os.environ | environment() | {"DJANGO_SETTINGS_MODULE": "ledgerproj.settings"}
    ended = subprocess.run(words, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(ended.stdout)


def test_refusals_and_the_openapi_document_are_the_same_without_docstrings() -> None:
    ordinary, stripped = said(), said("-OO")
    assert len(ordinary["answers"]) > 200
    assert len(ordinary["texts"]) > 40
    assert all(ordinary["texts"].values())
    assert "/transactions/bulk" in ordinary["schema"]
    assert stripped == ordinary


def test_nothing_in_the_product_rests_on_an_assert() -> None:
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert found == []

"""The wording of product files and templates: plain words, and no citation that leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("balances", "ledgerproj", "reconciliation", "templates")
KINDS = {".py", ".sql", ".html", ".js"}
CITATION = re.compile(
    r"\b(?:conventions|transactions|ledgers-balances|identities-accounts|platform|filtering|architecture|api-keys-auth"
    r"|external-reconciliation|tables)(?:\.md)? D?\d"
)
"""A section of a document that is not in the repository."""
PLAINER = re.compile(
    r"(?<![A-Za-z])(?:tell|tells|told|telling|nobody|whoever|anew|is to be)(?![A-Za-z])", re.IGNORECASE
)
"""Words that read plainer as "report", "notify", "payload", "no one", "again" or a verb, in identifiers too."""
KEPT = re.compile(r"\.tell\(\)|\btold_at = Instant\(|db_column=\"told_at\"|delivery\.tell\"")
"""Names that are not ours to choose any more: Python's method, a key of an answer, a column, and a task before 0.2."""
DOCUMENT = re.compile(r"[\w./-]+\.md\b")
HEADING = re.compile(r'([\w./-]+\.md)(?:, | states the rules under )"([^"]+)"')
"""A document and one of its headings; the docstring around both may break the line between them."""


def files(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the product files of a folder; migrations keep the words of their day."""
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in KINDS and "migrations" not in path.parts:
            yield str(path.relative_to(ROOT)), path.read_text()


@pytest.mark.parametrize("folder", FOLDERS)
def test_plain_words_stand_in_texts_and_names(folder: str) -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in files(folder)
        for number, line in enumerate(text.splitlines(), start=1)
        if PLAINER.search(KEPT.sub("", line))
    ]

    assert found == []


@pytest.mark.parametrize("folder", [*FOLDERS, "tests"])
def test_no_citation_names_a_document_that_is_not_in_the_repository(folder: str) -> None:
    lost = [(name, match.group()) for name, text in files(folder) for match in CITATION.finditer(text)]
    lost += [
        (name, document)
        for name, text in files(folder)
        for document in DOCUMENT.findall(text)
        if not any((place / document).is_file() for place in (ROOT, ROOT / "docs", (ROOT / name).parent))
    ]

    assert lost == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_heading_that_is_cited_stands_in_its_document(folder: str) -> None:
    cited = [
        (name, document, heading)
        for name, text in files(folder)
        for document, heading in HEADING.findall(re.sub(r"\n\s*(?:--|#)?\s*", " ", text))
    ]

    assert [each for each in cited if f"## {each[2]}" not in (ROOT / each[1]).read_text().splitlines()] == []

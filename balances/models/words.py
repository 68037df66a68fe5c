"""Rows by the beginnings of words in their texts, in any case, by a full-text index over the same columns."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models


def words_of(*columns: str) -> SearchVector:
    """Return the words of some columns as they are in the index and in conditions; they are not stemmed."""
    return SearchVector(*columns, config="simple")


def beginnings(term: str) -> SearchQuery:
    """Return the condition that every word of a term begins a word of the row; none does where there is no word."""
    words = (word.replace("\\", " ").replace("'", "''") for word in term.split())
    return SearchQuery(" & ".join(f"'{word}':*" for word in words), config="simple", search_type="raw")


class LedgerQuerySet(models.QuerySet[Any]):
    """Reads of ledgers."""

    def named(self, term: str) -> LedgerQuerySet:
        """Return the ledgers that have all words of a term, or their beginnings, in their names."""
        return self.alias(words=words_of("name")).filter(words=beginnings(term))

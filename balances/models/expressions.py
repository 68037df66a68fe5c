"""Expressions that stand in indexes and in the conditions which these answer: hashes of keys, and words of texts."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models
from django.db.models import Func


def hashed(key: Any) -> Func:
    """Return the 64-bit hash of a key, which is in indexes of transactions in its place.

    Two keys may share a hash: a condition compares the keys as well.
    """
    return Func(key, template="hashtextextended(%(expressions)s, 0)", output_field=models.BigIntegerField())


def words_of(*columns: str) -> SearchVector:
    """Return the words of some columns as they are in the index and in conditions; they are not stemmed."""
    return SearchVector(*columns, config="simple")


def beginnings(term: str) -> SearchQuery:
    """Return the condition that every word of a term begins a word of the row; none does where there is no word."""
    words = (word.replace("\\", " ").replace("'", "''") for word in term.split())
    return SearchQuery(" & ".join(f"'{word}':*" for word in words), config="simple", search_type="raw")

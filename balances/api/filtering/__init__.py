"""Filters of the lists (filtering.md): a grammar per door, one closed set of fields per table, values always bound."""

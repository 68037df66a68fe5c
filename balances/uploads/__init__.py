"""Imports by a page of the back-office: files are uploaded, tried, looked at, and then imported or discarded."""

from balances.uploads import service
from balances.uploads.service import File

__all__ = [
    "File",
    "service",
]

"""Imports through a page of the back-office: files are uploaded, tried, previewed, then imported or discarded."""

from balances.uploads import service
from balances.uploads.service import File

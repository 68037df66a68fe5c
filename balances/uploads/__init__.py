"""Imports by a page of the back-office: files are uploaded, tried, looked at, and then imported or discarded."""

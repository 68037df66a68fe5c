"""Imports by a page of the back-office."""

from django.apps import AppConfig


class UploadsConfig(AppConfig):
    """What was uploaded, what a trial of it said, and what came of it; tables of our own."""

    name = "balances.apps.uploads"
    label = "uploads"
    verbose_name = "Imports"

"""Money that people move by hand in the back-office."""

from django.apps import AppConfig


class InstructionsConfig(AppConfig):
    """Instructions of people, and what was decided about them; a table that Blnk does not have."""

    name = "balances.apps.instructions"
    label = "instructions"
    verbose_name = "Instructions"

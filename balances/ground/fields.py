"""Column types: minor units of any size, UTC instants, exact metadata."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.json import KeyTransform

from balances.ground.exact_json import ExactEncoder, StoredDecoder

if TYPE_CHECKING:  # the stubs are generic, so that a nullable column is Optional; Django's own classes are not
    Set = TypeVar("Set", contravariant=True)
    Get = TypeVar("Get", covariant=True)
    Field = models.Field
    DateTimeField = models.DateTimeField
else:
    Set = Get = None
    Field = {(Set, Get): models.Field}
    DateTimeField = {(Set, Get): models.DateTimeField}


class MinorUnitsField(Field[Set, Get]):
    """An integer of minor units, of any size: ``numeric`` in PostgreSQL, ``int`` in Python."""

    description = "Integer of minor units, of any size"
    _pyi_private_set_type: int
    _pyi_private_get_type: int

    def db_type(self, connection: Any) -> str:
        """Return the column type, without a scale or a limit."""
        return "numeric"

    def get_internal_type(self) -> str:
        """Return a type that Django can insert in bulk as arrays: one parameter for each column, not for each value."""
        return "DecimalField"

    def from_db_value(self, value: Decimal | int | None, expression: Any, connection: Any) -> int | Decimal | None:
        """Return an ``int``; a fraction from a foreign database stays a ``Decimal``, so that it can be fixed."""
        if value is None or isinstance(value, int):
            return value
        try:
            units = int(value)
        except (ValueError, OverflowError):  # NaN and infinity
            return value
        return units if units == value else value

    def to_python(self, value: Any) -> int | Decimal | None:
        """Return an ``int`` from an ``int`` or digits. Raises ``ValidationError``, also for floats and fractions."""
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        try:
            if isinstance(value, str):
                return int(value)
            if isinstance(value, Decimal) and value == value.to_integral_value():
                return int(value)
        except ValueError:
            pass
        raise ValidationError("%(value)r is not a whole number of minor units.", params={"value": value})

    def get_prep_value(self, value: Any) -> Decimal | None:
        """Return a ``Decimal``, which psycopg sends as ``numeric`` whatever its size.

        A fraction from a foreign database may go into the record of its correction; the constraints of other
        tables refuse it.
        """
        value = super().get_prep_value(value)
        if isinstance(value, Decimal):
            return value
        prepared = self.to_python(value)
        return None if prepared is None else Decimal(prepared)


class MajorUnitsField(Field[Set, Get]):
    """A decimal amount of any scale, as written by a person; for display, never summed where minor units are known."""

    description = "Decimal amount of major units, of any scale"
    _pyi_private_set_type: Decimal
    _pyi_private_get_type: Decimal

    def db_type(self, connection: Any) -> str:
        """Return the column type, without a scale or a limit."""
        return "numeric"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        """Return a ``Decimal``; a float from a foreign database is read as the shortest text that stands for it."""
        return Decimal(str(value)) if isinstance(value, (int, float)) else value

    def to_python(self, value: Any) -> Decimal | None:
        """Return a ``Decimal``. Raises ``ValidationError``, also for floats."""
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            try:
                return Decimal(value)
            except InvalidOperation:
                pass
        raise ValidationError("%(value)r is not a decimal amount.", params={"value": value})

    def get_prep_value(self, value: Any) -> Decimal | None:
        """Return a ``Decimal``."""
        return self.to_python(super().get_prep_value(value))


class UTCDateTimeField(DateTimeField[Set, Get]):
    """An instant, aware and in UTC, also out of a Blnk column ``timestamp without time zone``."""

    def from_db_value(self, value: datetime | None, expression: Any, connection: Any) -> datetime | None:
        """Return the instant in UTC; a value without zone is UTC already."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Send an instant in UTC: PostgreSQL knows fewer offsets than RFC 3339."""
        prepped = super().get_db_prep_value(value, connection, prepared)
        return prepped.astimezone(UTC) if isinstance(prepped, datetime) and prepped.tzinfo else prepped


STORED = StoredDecoder()


class ExactJSONField(models.JSONField):
    """A ``jsonb`` column whose numbers survive digit for digit."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"encoder": ExactEncoder, "decoder": StoredDecoder})

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value, by one decoder for all; Django makes one for each."""
        if type(value) is str and not isinstance(expression, KeyTransform):
            return STORED.decode(value)
        return super().from_db_value(value, expression, connection)

    def deconstruct(self) -> Any:
        """Leave out of migrations what ``__init__`` fixes."""
        name, path, args, options = super().deconstruct()
        return name, path, args, {key: value for key, value in options.items() if key not in ("encoder", "decoder")}


class MetadataField(ExactJSONField):
    """Exact JSON that may be missing; Python ``None`` is stored as JSON ``null``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"null": True, "blank": True})

    def deconstruct(self) -> Any:
        """Leave out of migrations what ``__init__`` fixes."""
        name, path, args, options = super().deconstruct()
        return name, path, args, {key: value for key, value in options.items() if key not in ("null", "blank")}

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """Store ``None`` as JSON ``null``, as the contract does for metadata not given."""
        if value is None:
            value = models.Value(None, output_field=models.JSONField())
        return super().get_db_prep_save(value, connection)

"""Reads JSON as the original's decoder does: strict types, forgiving keys, and its error messages.

What a body may hold is declared by request serializers, which describe it in the OpenAPI document as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any

import simplejson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request

from balances.api.caller import principal
from balances.api.go import times, untaken
from balances.api.go.json_in import MOST_VALUES, Unreadable, first_value, refuse_many
from balances.api.go.untaken import FieldNotTaken

RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
DRAINED_CHUNKS = 256
"""Pieces of 64 KiB: of a body that is too large, at most 16 MiB are read."""
GENERATED_BY = "BLNK_GENERATED_BY"

Shape = type[serializers.Serializer[Any]]


class MalformedBody(Exception):
    """The body is not the JSON that the route reads; answered with 400 ``GEN_MALFORMED_REQUEST``."""

    def __init__(self, message: str, *, key: str = "error", as_text: bool = False) -> None:
        """Keep the message and the legacy key that carries it.

        ``as_text`` is for the routes whose answer says ``text/plain``, though it is the same JSON.
        """
        self.message, self.key, self.as_text = message, key, as_text
        super().__init__(message)


class InvalidBody(Exception):
    """Fields are invalid; answered with 400 and the route's code under ``errors``."""

    def __init__(
        self, reasons: dict[str, str] | str, *, code: str = "GEN_VALIDATION_ERROR", details: Any = None
    ) -> None:
        """Join the reasons as the original does: sorted by field, closed by one full stop. A text is taken as it is."""
        self.code, self.details = code, details
        self.message = (
            reasons
            if isinstance(reasons, str)
            else "; ".join(f"{name}: {reasons[name]}" for name in sorted(reasons)) + "."
        )
        super().__init__(self.message)


class Mismatch(Unreadable):
    """A value has the wrong type. Each enclosing object adds its part of the path to the error."""

    def __init__(self, what: str, go_type: str) -> None:
        self.what, self.go_type = what, go_type
        self.struct, self.path = "", ""
        super().__init__(what, go_type)

    def lies_in(self, struct: str, field: str) -> None:
        """Note the object around it: the path grows to the left, the innermost struct stays."""
        self.struct = self.struct or struct
        self.path = f"{field}.{self.path}" if self.path else field

    def __str__(self) -> str:
        where = f"{self.struct}.{self.path}"
        return f"json: cannot unmarshal {self.what} into Go struct field {where} of type {self.go_type}"


@dataclass(frozen=True)
class Kind:
    """How one Go type is read: its name in messages, the types of JSON values that fit, and the conversion.

    ``convert`` may refuse more; it raises ``Unreadable``.
    """

    go_type: str
    fits: frozenset[type]
    convert: Callable[[Any], Any] | None = None

    def read(self, value: Any) -> Any:
        """Return the value for a JSON value, whose numbers are exact. Raises ``Unreadable``."""
        if type(value) not in self.fits:
            raise Mismatch(word_for(value), self.go_type)
        return value if self.convert is None else self.convert(value)


def word_for(value: Any) -> str:
    """Return the word for a JSON value in the decoder's messages."""
    return {bool: "bool", str: "string", list: "array", dict: "object"}.get(type(value), "number")


def parse_time(text: Any) -> datetime | None:
    """Return an aware instant from RFC 3339 with zone, or ``None`` where it is not that."""
    if not isinstance(text, str) or not RFC_3339.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant if instant.utctimetuple() else None  # an instant before year 1 in UTC cannot be stored
    except (ValueError, OverflowError):
        return None


def _big_integer(value: Any) -> int:
    if type(value) is not int:
        literal = str(value) if isinstance(value, Decimal) else simplejson.dumps(value, use_decimal=True)
        raise Unreadable(f"math/big: cannot unmarshal {simplejson.dumps(literal)} into a *big.Int")
    return value


def _time(value: Any) -> datetime:
    instant = parse_time(value)
    if instant is None:
        raise Unreadable(times.why_not(value))
    return instant


def _strings(items: list[Any]) -> list[str]:
    for item in items:
        if not isinstance(item, str | None):
            raise Mismatch(word_for(item), "string")
    return [item or "" for item in items]


NUMBER = frozenset({int, Decimal})
ANYTHING = frozenset({bool, int, Decimal, str, list, dict})


class Strings(serializers.ListField):
    """A list of strings, ``null`` among them read as an empty one."""

    child = serializers.CharField()


class Structs(serializers.ListField):
    """A list of objects, each read by a serializer of its own: ``Structs(Distribution)``.

    ``null`` among them is an empty object, with ``pointers`` it is ``None``: the original keeps a list of structs, or
    of pointers to them.
    """

    def __init__(self, shape: Shape, *, pointers: bool = False, most: int | None = None, **options: Any) -> None:
        """Keep the serializer, and make the kind that reads by it.

        Of a list that is longer than ``most``, one more is read: enough for the route to refuse it in its own words.
        """
        super().__init__(child=shape(), **options)
        go_type = _go_type(shape)
        self.kind = Kind(f"[]{'*' if pointers else ''}{go_type}", frozenset({list}), self._read)
        self._struct, self._pointers = _struct_kind(shape), pointers
        self._read_at_most = most and most + 1

    def _read(self, items: list[Any]) -> list[dict[str, Any] | None]:
        found: list[dict[str, Any] | None] = []
        for number, item in enumerate(items[: self._read_at_most]):
            try:
                found.append(self._struct.read(item) if item is not None else None if self._pointers else {})
            except FieldNotTaken as error:
                raise error.inside(f"[{number}].") from error
        return found


KINDS: dict[type[serializers.Field[Any, Any, Any, Any]], Kind] = {
    serializers.CharField: Kind("string", frozenset({str})),
    serializers.BooleanField: Kind("bool", frozenset({bool})),
    serializers.IntegerField: Kind("*big.Int", ANYTHING, _big_integer),
    serializers.DecimalField: Kind("float64", NUMBER, Decimal),
    serializers.DateTimeField: Kind("time.Time", ANYTHING, _time),
    serializers.DictField: Kind("map[string]interface {}", frozenset({dict})),
    Strings: Kind("[]string", frozenset({list}), _strings),
    serializers.ListField: Kind("[]interface {}", frozenset({list})),
}


def decode(
    request: Request, shape: Shape, *, key: str = "error", prefix: str = "", as_text: bool = False
) -> dict[str, Any]:
    """Return the fields of a request's JSON body by name; absent and ``null`` ones are left out.

    ``shape`` declares the fields, its ``Meta.go_type`` names it in messages. Its ``values_each`` names a list, how many
    values more than ``MOST_VALUES`` a body may hold for each of its items, and how many items there are at most.
    Raises ``MalformedBody`` with ``key`` and ``as_text``, its message behind ``prefix``, or ``FieldNotTaken``.
    """
    try:
        text = _text(request._request)
        several, each, most = getattr(shape, "values_each", ("", 0, 0))
        refuse_many(text, MOST_VALUES + each * most)
        body = _object(text, shape)
        if "meta_data" in _fields_of(shape):
            _name_the_key(body, request._request)
        fields = read_fields(body, shape)
        refuse_many(text, MOST_VALUES + each * len(fields.get(several, ())))
        return fields
    except Unreadable as error:
        raise MalformedBody(f"{prefix}{error}", key=key, as_text=as_text) from error


def read_fields(value: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Return the fields of a JSON object by name. Raises ``Unreadable`` or ``FieldNotTaken``."""
    fields = _fields_of(shape)
    decoded: dict[str, Any] = {}
    closed = _is_closed(shape)
    for given, item in value.items():
        found = fields.get(given) or fields.get(given.lower())
        if found is None:
            untaken.refuse(given, item, fields, closed=closed)
            continue
        name, kind = found
        if closed and name in decoded:
            raise FieldNotTaken(given, f" beside another spelling of {name}")
        if item is None:
            continue
        try:
            decoded[name] = kind.read(item)
        except Mismatch as mismatch:
            mismatch.lies_in(_go_type(shape).rpartition(".")[2], name)
            raise
        except FieldNotTaken as error:
            raise error.inside(name if error.name.startswith("[") else f"{name}.") from error
    return decoded


def _object(text: str, shape: Shape) -> dict[str, Any]:
    """Return the JSON object that a body holds; ``null`` is an empty one. Raises ``Unreadable``."""
    value = first_value(text, **({"object_pairs_hook": untaken.once} if _is_closed(shape) else {}))
    if isinstance(value, dict | None):
        return value or {}
    raise Unreadable(f"json: cannot unmarshal {word_for(value)} into Go value of type {_go_type(shape)}")


def _text(request: HttpRequest) -> str:
    """Return a request's body. Raises ``Unreadable`` where it is too large."""
    try:
        return request.body.decode(errors="replace")
    except RequestDataTooBig as error:
        _drain(request)
        raise Unreadable("http: request body too large") from error


def _drain(request: HttpRequest) -> None:
    """Read on a little, so that a client that is still sending gets the answer instead of a broken pipe."""
    for _ in range(DRAINED_CHUNKS):
        if not request.read(64 * 1024):
            return


def _name_the_key(body: dict[str, Any], request: HttpRequest) -> None:
    """Add the id of the scoped key to the metadata of a body, without changing anything else."""
    api_key_id = principal(request).api_key_id
    if api_key_id and request.method == "POST":
        spelled = [body.pop(name) for name in list(body) if name.lower() == "meta_data"]
        given = spelled[-1] if spelled else None
        body["meta_data"] = (given if isinstance(given, dict) else {}) | {GENERATED_BY: api_key_id}


@cache
def _fields_of(shape: Shape) -> dict[str, tuple[str, Kind]]:
    return {field.lower(): (field, _kind_for(declared)) for field, declared in shape().fields.items()}


def _kind_for(declared: serializers.Field[Any, Any, Any, Any]) -> Kind:
    if isinstance(declared, serializers.Serializer):
        return _struct_kind(type(declared))
    own: Kind | None = getattr(declared, "kind", None)
    return own or next(KINDS[base] for base in type(declared).__mro__ if base in KINDS)


def _struct_kind(shape: Shape) -> Kind:
    return Kind(_go_type(shape), frozenset({dict}), partial(read_fields, shape=shape))


@cache
def _is_closed(shape: Shape) -> bool:
    return bool(getattr(getattr(shape, "Meta"), "closed", False))  # noqa: B009 - the stubs know no Meta


def _go_type(shape: Shape) -> str:
    return str(getattr(shape, "Meta").go_type)  # noqa: B009 - the stubs know no Meta

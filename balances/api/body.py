"""JSON in, as the original's decoder reads it (conventions 6): strict types, forgiving keys, its words for errors.

What a body may hold is declared by request serializers, which describe it in the OpenAPI document as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import simplejson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request

from balances.api import times
from balances.api.caller import principal
from balances.exact_json import ExactDecoder, NumberOutOfRange, TooDeep

RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
DRAINED_CHUNKS = 256
"""Of 64 KiB each: 16 MiB of a body that is too large are read to its sender's end, no more."""
GENERATED_BY = "BLNK_GENERATED_BY"
SURROGATE = re.compile("[\ud800-\udfff]")
WHITE = " \t\r\n"


class MalformedBody(Exception):
    """The body is not the JSON that the route reads; answered with 400 ``GEN_MALFORMED_REQUEST``."""

    def __init__(self, message: str, *, key: str = "error", details: dict[str, Any] | None = None) -> None:
        """Keep the message, the legacy key that carries it (conventions 7.1), and what else the decoder knows."""
        self.message, self.key, self.details = message, key, details or {}
        super().__init__(message)


class InvalidBody(Exception):
    """Fields break the rules; answered with 400 and the route's code under ``errors`` (conventions 6.2)."""

    def __init__(self, reasons: dict[str, str], *, code: str = "GEN_VALIDATION_ERROR") -> None:
        """Join the reasons as the original does: sorted by field, closed by one full stop."""
        self.code = code
        self.message = "; ".join(f"{name}: {reasons[name]}" for name in sorted(reasons)) + "."
        super().__init__(self.message)


@dataclass(frozen=True)
class Kind:
    """How one Go type is read: its name in messages, whether a JSON value fits, and what becomes of it."""

    go_type: str
    fits: Callable[[Any], bool]
    read: Callable[[Any], Any] = lambda value: value


def parse_time(text: Any) -> datetime | None:
    """Return an aware instant from RFC 3339 with zone, or ``None`` where it is not that."""
    if not isinstance(text, str) or not RFC_3339.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant if instant.utctimetuple() else None  # an instant before year 1 in UTC cannot be stored
    except (ValueError, OverflowError):
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(item is None or isinstance(item, str) for item in value)


class Strings(serializers.ListField):
    """A list of strings, ``null`` among them read as an empty one."""

    child = serializers.CharField()


KINDS: dict[type[serializers.Field[Any, Any, Any, Any]], Kind] = {
    serializers.CharField: Kind("string", lambda value: isinstance(value, str)),
    serializers.BooleanField: Kind("bool", lambda value: isinstance(value, bool)),
    serializers.IntegerField: Kind("*big.Int", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    serializers.DecimalField: Kind("float64", _is_number, Decimal),
    serializers.DateTimeField: Kind("time.Time", lambda value: parse_time(value) is not None, parse_time),
    serializers.DictField: Kind("map[string]interface {}", lambda value: isinstance(value, dict)),
    Strings: Kind("[]string", _are_strings, lambda value: [item or "" for item in value]),
    serializers.ListField: Kind("[]interface {}", lambda value: isinstance(value, list)),
}


def decode(request: Request, shape: type[serializers.Serializer[Any]], *, key: str = "error") -> dict[str, Any]:
    """Return the fields of a request's JSON body by name; absent and ``null`` ones are left out.

    ``shape`` declares the fields, its ``Meta.go_type`` names it in messages. Raises ``MalformedBody``
    under ``key``.
    """
    try:
        text = request._request.body.decode(errors="replace")
    except RequestDataTooBig as error:
        _drain(request._request)
        limit = {"Limit": settings.MAX_REQUEST_BODY_BYTES}
        raise MalformedBody("http: request body too large", key=key, details=limit) from error
    value = _first_value(text, key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        go_type = getattr(shape, "Meta").go_type  # noqa: B009 - the stubs know no Meta
        message = f"json: cannot unmarshal {kind_of(value)} into Go value of type {go_type}"
        raise MalformedBody(message, key=key, details=_what_does_not_fit(kind_of(value)) | {"Offset": _offset(text)})
    _name_the_key(value, request._request)
    try:
        return read_fields(value, shape, key=key)
    except MalformedBody as error:
        if field := error.details.get("Field"):
            error.details["Offset"] = _offset(text, field.partition(".")[0])
        raise


def read_fields(
    value: dict[str, Any], shape: type[serializers.Serializer[Any]], *, key: str = "error", path: str = ""
) -> dict[str, Any]:
    """Return the fields of a JSON object by name. ``path`` leads to it in messages. Raises ``MalformedBody``."""
    fields = _fields_of(shape)
    decoded: dict[str, Any] = {}
    for given, item in value.items():
        if item is None or given.lower() not in fields:
            continue
        field, kind = fields[given.lower()]
        if not kind.fits(item):
            details = _what_does_not_fit(_value_of(item, kind.go_type), _struct(shape), path + field)
            known = kind.go_type not in {"*big.Int", "time.Time"}  # those read themselves, and say no more
            message = _mismatch(item, f"{_struct(shape)}.{path}{field}", kind)
            raise MalformedBody(message, key=key, details=details if known else {})
        decoded[field] = kind.read(item)
    return decoded


def _struct(shape: type[serializers.Serializer[Any]]) -> str:
    """Return the Go name of a shape, without its package."""
    return str(getattr(shape, "Meta").go_type).rpartition(".")[2]  # noqa: B009 - the stubs know no Meta


def _name_the_key(body: dict[str, Any], request: HttpRequest) -> None:
    """Put the id of the scoped key into the metadata of what is posted; nothing else is touched (conventions 2.3)."""
    api_key_id = principal(request).api_key_id
    if api_key_id and request.method == "POST":
        given = body.pop("meta_data", None)
        # Put in last, it also wins over metadata under another spelling of its name.
        body["meta_data"] = (given if isinstance(given, dict) else {}) | {GENERATED_BY: api_key_id}


def _drain(request: HttpRequest) -> None:
    """Read on a little, so that a client in the middle of sending gets our answer and no broken pipe."""
    for _ in range(DRAINED_CHUNKS):
        if not request.read(64 * 1024):
            return


@cache
def _fields_of(shape: type[serializers.Serializer[Any]]) -> dict[str, tuple[str, Kind]]:
    return {field.lower(): (field, _kind_for(declared)) for field, declared in shape().fields.items()}


def _kind_for(declared: serializers.Field[Any, Any, Any, Any]) -> Kind:
    own: Kind | None = getattr(declared, "kind", None)
    return own or next(KINDS[base] for base in type(declared).__mro__ if base in KINDS)


def kind_of(value: Any) -> str:
    """Return the word for a JSON value in the decoder's messages."""
    for kind, types in (("bool", bool), ("string", str), ("array", list), ("object", dict)):
        if isinstance(value, types):
            return kind
    return "number"


def _mismatch(item: Any, where: str, kind: Kind) -> str:
    if kind.go_type == "*big.Int":
        return f"math/big: cannot unmarshal {simplejson.dumps(str(item))} into a *big.Int"
    if kind.go_type == "time.Time":
        return times.why_not(item)
    go_type = kind.go_type
    if go_type == "[]string" and isinstance(item, list):
        item, go_type = next(each for each in item if not isinstance(each, str | None)), "string"
    return f"json: cannot unmarshal {_value_of(item, go_type)} into Go struct field {where} of type {go_type}"


def _value_of(item: Any, go_type: str) -> str:
    """Return what the decoder calls a value that does not fit a Go type."""
    return f"number {str(item).lower().replace('+', '')}" if go_type == "int" and _is_number(item) else kind_of(item)


def _what_does_not_fit(value: str, struct: str = "", field: str = "") -> dict[str, Any]:
    """Return what the decoder knows of a value that does not fit, where that is shown (platform 2.4)."""
    return {"Value": value, "Type": {}, "Offset": 0, "Struct": struct, "Field": field}


def _offset(text: str, field: str = "") -> int:
    """Return how many bytes the decoder has read when the value of a text, or a member of it, turns out not to fit."""
    decoder = ExactDecoder()
    begin = _begin(text, 0)
    value, end = decoder.raw_decode(text, begin)
    name = ""
    end = begin if field else end
    while name.lower() != field:
        name, end = decoder.raw_decode(text, end + 1)
        begin = _begin(text, text.index(":", end) + 1)
        value, end = decoder.raw_decode(text, begin)
        end = end if name.lower() == field else _begin(text, end)
    return len(text[: begin + 1 if isinstance(value, dict | list) else end].encode())


def _begin(text: str, position: int) -> int:
    """Return where the next thing after white space begins."""
    return len(text) - len(text[position:].lstrip(WHITE))


def _first_value(text: str, key: str) -> Any:
    """Return the first JSON value of a text; what follows it is ignored, as in the original."""
    stripped = text.lstrip(WHITE)
    before = len(text) - len(stripped)
    if not stripped:
        raise MalformedBody("EOF", key=key)
    if stripped.startswith("\ufeff"):  # our decoder would pass over a byte order mark
        message = "invalid character 'ï' looking for beginning of value"
        raise MalformedBody(message, key=key, details={"Offset": before + 1})
    try:
        value, _ = ExactDecoder().raw_decode(stripped)
    except simplejson.JSONDecodeError as error:
        message, position = _syntax_error(stripped, error)
        details = {} if position is None else {"Offset": before + len(stripped[:position].encode()) + 1}
        raise MalformedBody(message, key=key, details=details) from error
    except NumberOutOfRange as error:
        raise MalformedBody(
            f"json: cannot unmarshal number {error.literal} into Go value of type float64", key=key
        ) from error
    except (RecursionError, TooDeep) as error:
        raise MalformedBody("invalid character '[' exceeded max depth", key=key) from error
    return _storable(value, key) if "\\u" in stripped or "\x00" in stripped else value


def _syntax_error(text: str, error: simplejson.JSONDecodeError) -> tuple[str, int | None]:
    """Return what the original's decoder says of the same text, and the position of the character it speaks of."""
    position = error.pos
    if position >= len(text) or error.msg.startswith("Unterminated"):
        return "unexpected EOF", None
    expected = {
        "Expecting value": "looking for beginning of value",
        "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
        "Expecting ':' delimiter": "after object key",
        "Expecting ',' delimiter": "after object key:value pair",
        "Invalid control character": "in string literal",
        "Invalid \\": "in string escape code",
    }
    where = next((words for start, words in expected.items() if error.msg.startswith(start)), "in literal")
    if text[position] == "," and where == "in literal":
        message = "invalid character '}' looking for beginning of object key string"  # a trailing comma
        return message, text.find("}", position)
    return f"invalid character {text[position]!r} {where}", position


def _storable(value: Any, key: str) -> Any:
    """Return a value whose strings PostgreSQL can store: lone surrogates replaced, as Go does; NUL refused."""
    if isinstance(value, str):
        if "\x00" in value:
            raise MalformedBody("a string contains the character \\u0000, which cannot be stored", key=key)
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(item, key) for item in value]
    if isinstance(value, dict):
        return {_storable(name, key): _storable(item, key) for name, item in value.items()}
    return value

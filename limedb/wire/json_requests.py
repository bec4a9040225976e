"""Checks requests in JSON against their messages, since protobuf's parser refuses in words of its own.

It owns the refusals, each in one line that names the field, its place in a list and its correct form. They
are the same as for REST, which Envoy checks by `launch/json_body.lua`. It must never build a message.

Tested in tests/wire/test_json_requests.py, by the cases of REST.
"""

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from limedb.errors import MalformedRequestError
from limedb.wire import rest

SHOWN = 64
"""Characters of a value that a refusal repeats."""
_URL_SAFE = str.maketrans("-_", "+/")
_DEMANDS = {
    "Expecting value": "a value",
    "Expecting ',' delimiter": "a comma or the end of the object or list",
    "Expecting ':' delimiter": "a colon",
    "Expecting property name enclosed in double quotes": "the name of a field, in quotes",
    "Illegal trailing comma before end of object": "no comma",
    "Illegal trailing comma before end of array": "no comma",
}
"""Mistakes that Python's parser misses, in our words."""


class _Doubled(dict[str, object]):
    """An object in which a name appears twice. twice: that name."""

    twice = ""


def parsed(data: bytes, message: Descriptor) -> dict[str, Any]:
    """A request's fields as in JSON. MalformedRequestError: it isn't this message."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"byte {error.start + 1} of the request is not UTF-8") from None
    fields = _loaded(text)
    if not isinstance(fields, dict):
        raise MalformedRequestError(f"the request must be a JSON object; {_fields_of(message)}")
    _check(fields, message, "")
    return fields


def _loaded(text: str) -> object:
    if text.startswith("\ufeff"):
        raise MalformedRequestError("the request begins with a byte order mark (U+FEFF): leave it out")
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise MalformedRequestError(f"the request is not JSON: {_words(error, len(text))}") from None
    except RecursionError:
        raise MalformedRequestError("the request is nested too deeply") from None
    except ValueError:  # Python reads no number of some thousand digits
        raise MalformedRequestError("the request has a number of too many digits") from None


def _words(error: json.JSONDecodeError, size: int) -> str:
    demand = _DEMANDS.get(error.msg)
    if demand is None:
        return f"{error.msg[:1].lower()}{error.msg[1:]}, character {error.pos + 1}"
    if error.pos >= size:
        return f"it ends where there must be {demand}"
    return f"at character {error.pos + 1} there must be {demand}"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    doubled = _Doubled(fields)
    names = [name for name, _ in pairs]
    doubled.twice = next(name for name in fields if names.count(name) > 1)
    return doubled


def _check(fields: Mapping[str, Any], message: Descriptor, outer: str) -> None:
    """MalformedRequestError. outer: the words for the place of this object; empty: it is the outermost."""
    known = _known(message)
    seen: dict[str, str] = {}
    if isinstance(fields, _Doubled):
        raise _refusal(outer, _twice(_safe(fields.twice), message))
    for name, value in fields.items():
        field = known.get(name)
        if field is None:
            raise _refusal(outer, f"unknown field {_safe(name)} in {message.name}; {_fields_of(message)}")
        if field.name in seen:
            raise _refusal(outer, _twice(field.json_name, message))
        seen[field.name] = field.json_name
        if value is None:  # as if it were not there
            continue
        choice = field.containing_oneof
        if choice is not None and len(choice.fields) > 1:
            if (other := seen.get(f"oneof {choice.name}")) is not None:
                raise _refusal(outer, f"{other} and {field.json_name} in {message.name}: give one of them")
            seen[f"oneof {choice.name}"] = field.json_name
        _check_field(field, value, outer)


def _check_field(field: FieldDescriptor, value: object, outer: str) -> None:
    if not field.is_repeated:
        _check_value(field, value, field.json_name, outer)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _check_value(field, item, f"{field.json_name}[{place}]", outer)
    else:
        raise _refusal(outer, f"{field.json_name}={_shown(value)}: must be an array")


def _check_value(field: FieldDescriptor, value: object, label: str, outer: str) -> None:
    if field.message_type is not None:
        if not isinstance(value, dict):
            demand = f"an object; {_fields_of(field.message_type)}"
            raise _refusal(outer, f"{label}={_shown(value)}: must be {demand}")
        _check(value, field.message_type, f"{outer}.{label}" if outer else label)
    elif not _MAY_BE[rest.KINDS[field.type]](field, value):
        raise _refusal(outer, f"{label}={_shown(value)}: must be {_demand(field)}")


def _twice(name: str, message: Descriptor) -> str:
    return f"field {name} is there twice in {message.name}: which one counts?"


def _refusal(outer: str, why: str) -> MalformedRequestError:
    return MalformedRequestError(f"{outer}: {why}" if outer else why)


def _demand(field: FieldDescriptor) -> str:
    kind = rest.KINDS[field.type]
    if kind == "whole":
        return f"a whole number from {rest.LEAST.get(field.type, 0)} to {rest.MOST[field.type]}"
    if kind == "enum":
        return f"one of {', '.join(name for name, number in _values(field) if number)}"
    return {"text": "a string in UTF-8", "bytes": "base64", "bool": "true or false", "number": "a number"}[
        kind
    ]


def _is_text(_field: FieldDescriptor, value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:  # half a character, as an escape
        return False


def _is_bytes(_field: FieldDescriptor, value: object) -> bool:
    """Whether it is base64, in either alphabet, with padding or without: protobuf would leave digits out."""
    if not isinstance(value, str):
        return False
    digits = "".join(value.split()).rstrip("=")
    try:
        base64.b64decode(digits.translate(_URL_SAFE) + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return False
    return True


def _is_whole(field: FieldDescriptor, value: object) -> bool:
    least, most = rest.LEAST.get(field.type, 0), rest.MOST[field.type]
    if isinstance(value, str):
        digits = value[1:] if least and value.startswith("-") else value
        is_short = digits.isascii() and digits.isdigit() and len(value) <= SHOWN
        return is_short and least <= int(value) <= most
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return value % 1 == 0 and least <= value <= most


def _is_number(_field: FieldDescriptor, value: object) -> bool:
    if isinstance(value, str):
        return value in ("NaN", "Infinity", "-Infinity")
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_value(field: FieldDescriptor, value: object) -> bool:
    return not isinstance(value, bool) and any(value in known for known in _values(field))


def _values(field: FieldDescriptor) -> list[tuple[str, int]]:
    """The names and numbers that an enum has."""
    return [(value.name, value.number) for value in field.enum_type.values] if field.enum_type else []


_MAY_BE: dict[str, Callable[[FieldDescriptor, Any], bool]] = {
    "text": _is_text,
    "bytes": _is_bytes,
    "bool": lambda _field, value: isinstance(value, bool),
    "whole": _is_whole,
    "number": _is_number,
    "enum": _is_value,
}


def _known(message: Descriptor) -> dict[str, FieldDescriptor]:
    found = _KNOWN.get(message.full_name)
    if found is None:
        _KNOWN[message.full_name] = found = dict(_names(message))
    return found


def _names(message: Descriptor) -> Iterator[tuple[str, FieldDescriptor]]:
    for field in message.fields:
        yield field.name, field
        yield field.json_name, field


_KNOWN: dict[str, dict[str, FieldDescriptor]] = {}
"""The fields of each message by their names, in both spellings: made once."""


def _fields_of(message: Descriptor) -> str:
    names = sorted(field.json_name for field in message.fields)
    return f"its fields are {', '.join(names)}" if names else "it has none"


def _safe(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text[:SHOWN])


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{_safe(value)}"'
    if isinstance(value, dict | list):
        return "{...}" if isinstance(value, dict) else "[...]"
    if isinstance(value, int) and value.bit_length() > SHOWN * 4:
        return "a far larger number"
    return json.dumps(value)

"""JSON laid out for people, letter by letter as it was written.

It owns the white space between the parts. It must never rewrite a part: 12345678901234567890, 1e400, escapes
and a name that appears twice stay as they are.
"""

import json
import re
from typing import NoReturn

_SPACE = re.compile(r"[ \t\n\r]*")
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
INDENT = "  "


def check(text: str) -> None:
    """ValueError: it isn't JSON; the message has the place. RecursionError: it is nested too deeply to be
    read.
    """
    json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)


def indented(text: str) -> str:
    """Return the text with a line for each part. ValueError, RecursionError: as in `check`."""
    check(text)
    parts, lines, depth = _parts(text), list[str](), 0
    for before, part in zip(["", *parts], parts, strict=False):
        is_empty = before + part in ("{}", "[]")
        if part in "}]":
            depth -= 1
        if not is_empty and (part in "}]" or before in ("{", "[", ",")):
            lines.append("\n" + INDENT * depth)
        lines.append(": " if part == ":" else part)
        if part in "{[":
            depth += 1
    return "".join(lines)


def _parts(text: str) -> list[str]:
    parts, at = list[str](), _end(_SPACE, text, 0)
    while at < len(text):
        end = _end(_PART, text, at)
        parts.append(text[at:end])
        at = _end(_SPACE, text, end)
    return parts


def _end(pattern: "re.Pattern[str]", text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found is not None else len(text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")

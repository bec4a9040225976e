"""Readers of the values of settings: each takes a text, and raises ValueError with the allowed values.

It owns units and limits of values. It must never know a setting.

Tested in tests/test_config.py.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path

from limedb.core.written_numbers import SECONDS_OF

MAX_ZONE = 256


def proxies(text: str) -> tuple[str, ...]:
    """Addresses, networks and host names, comma-separated."""
    return tuple(dict.fromkeys(_proxy(part.strip()) for part in text.split(",") if part.strip()))


def _proxy(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})", text) and text.strip("0123456789."):
        return text.lower()
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("addresses, networks like 10.1.0.0/16, or host names, comma-separated") from None


def file(text: str) -> Path | None:
    """A file; empty: none."""
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError:  # ~nobody
        raise ValueError("a file; no user has that name") from None


def folder(text: str) -> Path:
    """A folder, which must be given."""
    try:
        if text:
            return Path(text).expanduser()
    except RuntimeError:  # ~nobody
        pass
    raise ValueError("a folder, such as /var/lib/limedb")


def zone(text: str) -> str:
    """The name of a zone; empty: none."""
    if len(text) > MAX_ZONE or (text and not text.isprintable()):
        raise ValueError(f"{MAX_ZONE} printable characters at most")
    return text


_DIGITS = "[0-9]{1,20}"


def number(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers from low to high."""

    def parse(text: str) -> int:
        if not re.fullmatch(_DIGITS, text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def choice(*allowed: str) -> Callable[[str], str]:
    """A reader of one of some words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return text.lower()

    return parse


def is_true(text: str) -> bool:
    """Whether a text says true."""
    return choice("true", "false")(text) == "true"


_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def duration(low: float, high: float) -> Callable[[str], float]:
    """A reader of times with a unit, from low to high seconds; it raises ValueError, which says so."""

    def parse(text: str) -> float:
        match = re.fullmatch(rf"({_DIGITS}(?:\.{_DIGITS})?)(ms|s|m|h)", text)
        seconds = float(match[1]) * SECONDS_OF[match[2]] if match else -1.0
        if not low <= seconds <= high:
            raise ValueError(f"a time from {low:g}s to {high:g}s, with its unit: 500ms, 1s, 10m, 24h")
        return seconds

    return parse


def duration_or_off(low: float, high: float) -> Callable[[str], float]:
    """As `duration`, and 0 for never."""
    parse_on = duration(low, high)

    def parse(text: str) -> float:
        try:
            return 0.0 if text == "0" else parse_on(text)
        except ValueError as error:
            raise ValueError(f"0, or {error}") from None

    return parse


def size(low: int, high: int) -> Callable[[str], int]:
    """A reader of sizes from low to high, in bytes."""

    def parse(text: str) -> int:
        match = re.fullmatch(rf"({_DIGITS}) ?(B|KiB|MiB|GiB|)", text)
        found = int(match[1]) * _BYTES[match[2]] if match else -1
        if not low <= found <= high:
            raise ValueError(
                f"a size from {_spelled(low)} to {_spelled(high)}, in bytes or with a unit (KiB, MiB, GiB):"
                f" {min(2 * low, high)} or {_spelled(min(2 * low, high))}"
            )
        return found

    return parse


def _spelled(size: int) -> str:
    """A size as written in a setting, in the largest unit that fits."""
    unit = max((unit for unit in _BYTES if unit and size % _BYTES[unit] == 0), key=_BYTES.__getitem__)
    return f"{size // _BYTES[unit]}{unit}"


def size_or_0(low: int, high: int) -> Callable[[str], int]:
    """As `size`, and 0."""
    parse = size(low, high)
    return lambda text: 0 if text == "0" else parse(text)

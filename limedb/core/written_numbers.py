"""Numbers as people write them: whole ones, others, and times.

It owns the form of numbers: ASCII digits. It must never accept what only Python does: blanks, 1_000, the
digits of other scripts, nan.
"""

import re

SECONDS_OF = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
"""The units of times."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")


def whole_in(text: str) -> int | None:
    """Return the whole number that a text is; None: it is none."""
    return int(text) if _WHOLE.fullmatch(text) else None


def number_in(text: str) -> float | None:
    """Return the number that a text is, infinite if it is too large for a float; None: it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def seconds_in(text: str) -> float | None:
    """Return the seconds of a time, which may have a unit; None: it is none."""
    unit = next((unit for unit in SECONDS_OF if re.search(f"[0-9.]{unit}\\Z", text)), "")
    number = number_in(text.removesuffix(unit))
    return None if number is None else number * SECONDS_OF.get(unit, 1.0)

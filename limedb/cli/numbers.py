"""Numbers that people give: whole ones, others, and times.

It owns how a number is written: in ASCII's digits, within a range that the refusal names. It must never take
what Python takes besides: blanks, 1_000, the digits of other scripts, nan.
"""

import re
from typing import Any

import click
from typing_extensions import override

from limedb.setting_values import SECONDS_OF

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")


class Whole(click.IntRange):
    """A whole number within a range."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        super().__init__(least, most)
        self.least, self.most = least, most

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with the range."""
        number = int(value) if not isinstance(value, str) or _WHOLE.fullmatch(value) else None
        if number is None or not self.least <= number <= self.most:
            self.fail(f"{value!r:.60} is not a whole number from {self.least} to {self.most}", param, ctx)
        return number


class Number(click.FloatRange):
    """A number within a range. min_open: the least doesn't belong to it."""

    name = "number"

    def __init__(self, least: float, most: float, min_open: bool = False) -> None:
        super().__init__(least, most, min_open=min_open)
        self.least, self.most = least, most

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail with the range."""
        number = self._read(value) if isinstance(value, str) else float(value)
        if number is None or not self._holds(number):
            self.fail(f"{value!r:.60} is not {self._must()}", param, ctx)
        return number

    def _read(self, text: str) -> float | None:
        return float(text) if _NUMBER.fullmatch(text) else None

    def _holds(self, number: float) -> bool:
        return self.least <= number <= self.most and not (self.min_open and number == self.least)

    def _must(self) -> str:
        return f"a number {self._range()}"

    def _range(self) -> str:
        least = f"above {self.least:g} and up to" if self.min_open else f"from {self.least:g} to"
        return f"{least} {self.most:.15g}"


class Duration(Number):
    """A time within a range of seconds: a number of seconds, or one with its unit, such as 500ms."""

    name = "duration"

    @override
    def _read(self, text: str) -> float | None:
        unit = next((unit for unit in SECONDS_OF if re.search(f"[0-9.]{unit}\\Z", text)), "")
        number = super()._read(text.removesuffix(unit))
        return None if number is None else number * SECONDS_OF.get(unit, 1.0)

    @override
    def _must(self) -> str:
        return f"a time {self._range()} seconds, such as 2, 2s, 500ms, 10m or 24h"

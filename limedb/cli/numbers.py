"""Numbers that people give: whole ones, others, and times.

It owns their ranges, which the refusals name. It must never read a number in another way than
`core/written_numbers.py`, nor take what click takes besides.
"""

from typing import Any

import click
from typing_extensions import override

from limedb.core.written_numbers import number_in, seconds_in, whole_in


class Whole(click.IntRange):
    """A whole number within a range."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        super().__init__(least, most)
        self.least, self.most = least, most

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with the range."""
        number = whole_in(value) if isinstance(value, str) else int(value)
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
        return number_in(text)

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
        return seconds_in(text)

    @override
    def _must(self) -> str:
        return f"a time {self._range()} seconds, such as 2, 2s, 500ms, 10m or 24h"

"""The table of docs/errors.md that is made from the classes: `python -m tests.wire.reference` writes it."""

from inspect import signature
from pathlib import Path
from typing import Any

from limedb import errors
from limedb.wire.status import code_of

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
MARK = "## All reasons\n"
LOCAL = (
    errors.LaunchError,
    errors.BulkError,
    errors.BadItemError,
    errors.NameTakenError,
    errors.ClientStateError,
)
"""Errors of commands and clients, which no node answers with."""


def row(cls: type[errors.LimeDBError]) -> str:
    """What a class means on the wire."""
    known = signature(cls).parameters.values() if cls.__init__ is not Exception.__init__ else ()
    kept = getattr(cls.__init__, "__code__", row.__code__).co_names  # those that become attributes
    facts = [each.name for each in known if each.name in kept and each.annotation is not Any]
    answers = ["yes" if answer else "" for answer in (cls.nothing_written, cls.may_pass)]
    return "| " + " | ".join(
        (f"`{cls.reason}`", code_of(cls.__new__(cls)).name, *answers, ", ".join(facts), first_line(cls))
    ) + " |"  # fmt: skip


def first_line(cls: type[errors.LimeDBError]) -> str:
    """The first sentence of what a class is."""
    return " ".join((cls.__doc__ or "").split()).split(". ")[0].rstrip(".")


def reference() -> str:
    """The page."""
    head, mark, _ = PAGE.read_text().partition(MARK)
    classes = [
        cls
        for cls in errors.CLASSES.values()
        if not issubclass(cls, (*LOCAL, errors.PartialFailureError)) and cls is not errors.LimeDBError
    ]
    lines = [
        "",
        "| reason | status | nothing was written | may pass | facts | meaning |",
        "|---|---|---|---|---|---|",
        *map(row, classes),
    ]
    return head + mark + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference())

"""`limedb txn`: several keys of one group, changed at once if all conditions hold.

It owns the options, and how the outcome is shown. It must never decide what is written: the nodes do.

Tested in tests/cli/test_txn.py.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from limedb.cli.codes import CONDITION_FAILED
from limedb.cli.numbers import Whole
from limedb.cli.options import command, target_option, timeout_option
from limedb.cli.output import (
    JSON,
    RAW,
    TABLE,
    echo_json,
    output_option,
    put_value,
    show_rows,
    shown_value,
    value_fields,
)
from limedb.core.edits import LEAST_NUMBER, MOST_NUMBER
from limedb.core.hlc import MAX_VERSION
from limedb.tls.target import Target

if TYPE_CHECKING:
    from limedb.client import SyncTransaction, TransactionResult
    from limedb.client.transactions import StepResult

F = TypeVar("F", bound=Callable[..., Any])
Pair = tuple[str, str]


class _Pair(click.ParamType[Any]):
    """KEY=VALUE, split at the first = behind the tag's braces. kind: of the value: text, or the bounds of a
    number.
    """

    name = "pair"

    def __init__(self, low: int | None = None, high: int = 0, default: int | None = None) -> None:
        self._low, self._high, self._default = low, high, default

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """As click's."""
        key, equals, rest = _parted(value)
        if not equals and self._default is not None:
            return key, self._default
        if not equals:
            self.fail(f"{value!r} has no =: give KEY=VALUE", param, ctx)
        return (key, rest) if self._low is None else (key, self._number(rest, param, ctx))

    def _number(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return Whole(self._low or 0, self._high).convert(text, param, ctx)


def _parted(text: str) -> tuple[str, str, str]:
    """Split KEY=VALUE: a tag may contain a =."""
    begin = text.find("}") + 1 if 0 <= text.find("{") < text.find("}") else 0
    key, equals, value = text[begin:].partition("=")
    return text[:begin] + key, equals, value


def _many(
    name: str, into: str, metavar: str, help_text: str, kind: click.ParamType[Any] | None = None
) -> Callable[[F], F]:
    return click.option(name, into, multiple=True, metavar=metavar, help=help_text, type=kind or click.STRING)


@command(
    "txn",
    examples="""
    limedb txn --if '{cart:7}total=3' --set '{cart:7}total=4' --set '{cart:7}items=apple'
    limedb txn --if-absent '{job:1}owner' --set '{job:1}owner=me' --else-get '{job:1}owner'
    limedb txn --incr '{stock}apples=-2' --incr '{stock}sold=2'
    limedb txn --get '{cart:7}total' --get '{cart:7}items' -o json
    """,
)
@_many("--if", "values", "KEY=VALUE", "KEY must have this text.", _Pair())
@_many("--if-version", "versions", "KEY=N", "KEY must have this version; 0: no value.", _Pair(0, MAX_VERSION))
@_many("--if-absent", "absent", "KEY", "KEY must have no value.")
@_many("--if-exists", "existing", "KEY", "KEY must have a value.")
@_many("--set", "sets", "KEY=VALUE", "Store a text.", _Pair())
@_many("--del", "deletes", "KEY", "Delete KEY.")
@_many(
    "--incr",
    "increments",
    "KEY[=N]",
    "Add N to a counter; 1 unless you give it.",
    _Pair(LEAST_NUMBER, MOST_NUMBER, 1),
)
@_many("--get", "gets", "KEY", "Print the value that KEY had before.")
@_many("--else-set", "else_sets", "KEY=VALUE", "Store a text, if a condition doesn't hold.", _Pair())
@_many("--else-del", "else_deletes", "KEY", "Delete KEY then.")
@_many("--else-get", "else_gets", "KEY", "Print the value of KEY then.")
@output_option(RAW)
@target_option
@timeout_option
def txn(
    values: Sequence[Pair],
    versions: Sequence[tuple[str, int]],
    absent: Sequence[str],
    existing: Sequence[str],
    sets: Sequence[Pair],
    deletes: Sequence[str],
    increments: Sequence[tuple[str, int]],
    gets: Sequence[str],
    else_sets: Sequence[Pair],
    else_deletes: Sequence[str],
    else_gets: Sequence[str],
    shape: str,
    target: Target,
    timeout: float,
) -> None:
    """Change several keys at once, if all --if conditions hold; otherwise take the --else steps, and exit
    with 6.

    All keys have the same tag: the text between their first { and the next }, as in {cart:7}items. You may
    give each option several times, but write each key only once; all steps see the state before the
    transaction. The command prints the values of --get and the sums of --incr, each on a line.
    """
    from limedb.client import connect_sync

    with connect_sync(target.url, timeout=timeout, **target.files) as db:
        steps = db.txn()
        _compare(steps, values, versions, absent, existing)
        shown = _take(steps, sets, deletes, increments, gets)
        steps.otherwise()
        shown_else = _take(steps, else_sets, else_deletes, (), else_gets)
        result = steps.commit()
    _show(result, shown if result.succeeded else shown_else, shape)
    if not result.succeeded:
        sys.exit(CONDITION_FAILED)


def _compare(
    steps: "SyncTransaction",
    values: Sequence[Pair],
    versions: Sequence[tuple[str, int]],
    absent: Sequence[str],
    existing: Sequence[str],
) -> None:
    for key, value in values:
        steps.when(key, value=value)
    for key, version in versions:
        steps.when(key, version=version)
    for key in absent:
        steps.when(key, absent=True)
    for key in existing:
        steps.when(key, exists=True)


def _take(
    steps: "SyncTransaction",
    sets: Sequence[Pair],
    deletes: Sequence[str],
    increments: Sequence[tuple[str, int]],
    gets: Sequence[str],
) -> list[tuple[str, str]]:
    """Add steps; the kind and key of each."""
    for key, value in sets:
        steps.set(key, value)
    for key in deletes:
        steps.delete(key)
    for key, by in increments:
        steps.increment(key, by)
    for key in gets:
        steps.get(key)
    kinds = {
        "set": [key for key, _ in sets],
        "del": deletes,
        "incr": [key for key, _ in increments],
        "get": gets,
    }
    return [(kind, key) for kind, keys in kinds.items() for key in keys]


def _show(result: "TransactionResult", steps: Sequence[tuple[str, str]], shape: str) -> None:
    rows = [(kind, key, _found(found)) for (kind, key), found in zip(steps, result.results, strict=True)]
    if shape == JSON:
        version = {} if result.receipt is None else {"version": str(result.receipt.version)}
        responses = [{"step": kind, "key": key, **value_fields(value)} for kind, key, value in rows]
        echo_json({"succeeded": result.succeeded, **version, "responses": responses})
    elif shape == TABLE:
        show_rows(
            shape, ("STEP", "KEY", "VALUE"), [(kind, key, shown_value(value)) for kind, key, value in rows]
        )
    else:
        for kind, _, value in rows:
            if kind in ("get", "incr"):
                put_value(value if value is not None else "")


def _found(result: "StepResult") -> str | bytes | None:
    """The output of a step: the value of a get, the sum of an increment."""
    if isinstance(result, bool) or result is None:
        return None
    return str(result) if isinstance(result, int) else result.value

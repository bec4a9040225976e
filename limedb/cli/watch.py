"""`limedb watch`: changes of keys as they happen."""

import sys
from collections.abc import Callable, Iterator

import click

from limedb.aio.retrying import Patience
from limedb.cli.numbers import Whole
from limedb.cli.options import COUNT, command, patience_option, target_option
from limedb.cli.output import (
    JSON,
    RAW,
    TABLE,
    echo,
    echo_json,
    output_option,
    printable,
    put,
    shown_value,
    value_fields,
)
from limedb.errors import LimeDBError, UnavailableError, WatchGapError
from limedb.operator.scans import ChangePage, WatchedChange, scan_client
from limedb.tls.target import Target

REMEMBERED = 10_000
"""Keys whose last shown version is remembered, since a resumed watch may repeat some changes."""


@command(
    "watch",
    examples="""
    limedb watch greeting
    limedb watch --prefix user/ -o json
    limedb watch --prefix '' -n 1
    """,
)
@click.argument("key", required=False)
@click.option("--prefix", help="Watch all keys that begin with this; an empty one: all keys.")
@click.option(
    "--after-version",
    type=Whole(0, (1 << 64) - 1),
    metavar="VERSION",
    help="Also show the changes since then, and again some from the seconds before it: compare versions.",
)
@click.option("-n", "--count", type=COUNT, help="Stop after so many changes. Default: never.")
@output_option(TABLE)
@target_option
@patience_option
def watch(
    key: str | None,
    prefix: str | None,
    after_version: int | None,
    count: int | None,
    shape: str,
    target: Target,
    patience: float,
) -> None:
    """Show changes of KEY, or of the keys with a prefix, as they happen, until Ctrl-C.

    -o table prints a line for each change, json an object, raw only the values. If the target node goes away,
    the watch continues at another one behind Envoy, or when the node is back. Exit code 1: changes may be
    missing.
    """
    if (key is None) == (prefix is None):
        raise click.UsageError("give either KEY or --prefix")
    with scan_client(target, patience) as node:
        follower = Follower(
            lambda resume: node.watch(key=key, prefix=prefix or "", after_version=resume),
            after_version,
            Patience(patience),
        )
        for number, change in enumerate(follower.changes(), 1):
            _show(change, shape)
            if number == count:
                return


class Follower:
    """A watch that resumes where it broke. after_version: where it begins; None: now. patience: with nodes
    that are away; a watch that never began fails at once.
    """

    def __init__(
        self,
        watch: Callable[[int | None], Iterator[ChangePage]],
        after_version: int | None,
        patience: Patience,
    ) -> None:
        self._watch, self._resume, self._patience = watch, after_version, patience
        self._shown: dict[str, int] = {}
        self._has_stood = False

    def changes(self) -> Iterator[WatchedChange]:
        """Yield the changes, each once. LimeDBError: some may be missing."""
        while True:
            error: LimeDBError = UnavailableError("the watch ended")
            try:
                for heard in self._watch(self._resume):
                    self._stands()
                    yield from filter(self._is_new, heard.changes)
                    self._resume = heard.resume_version
            except LimeDBError as failed:
                error = failed
            self._wait(error)

    def _wait(self, error: LimeDBError) -> None:
        try:
            if not (self._has_stood and error.may_pass):
                raise error
            self._patience.wait(error)
        except LimeDBError:
            raise LimeDBError(f"{error}{self._remedy(error)}") from None

    def _stands(self) -> None:
        if not self._has_stood:
            click.echo("watching", err=True)
        self._has_stood = True
        self._patience.heard()

    def _is_new(self, change: WatchedChange) -> bool:
        last = self._shown.pop(change.key, -1)
        self._shown[change.key] = max(last, change.version)
        if len(self._shown) > REMEMBERED:
            del self._shown[next(iter(self._shown))]
        return change.version > last

    def _remedy(self, error: LimeDBError) -> str:
        if error.reason == WatchGapError.reason:
            return "; `limedb scan` reads the keys"
        return "" if not self._has_stood else f"; continue with --after-version {self._resume}"


def _show(change: WatchedChange, shape: str) -> None:
    deleted = change.value is None
    if shape == JSON:
        fields = {"key": change.key, **value_fields(change.value), "version": str(change.version)}
        echo_json(fields | ({"delete": True} if deleted else {}), None)
    elif shape == RAW:
        put(change.value or "")
    else:
        kind = "del" if deleted else "set"
        echo(f"{change.version}  {kind}  {printable(change.key)}  {shown_value(change.value)}".rstrip())
    sys.stdout.flush()

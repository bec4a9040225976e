"""`limedb watch`: changes of keys as they happen."""

import sys

import click

from limedb.cli.options import command, target_option
from limedb.cli.output import (
    JSON,
    RAW,
    TABLE,
    echo,
    echo_json,
    output_option,
    printable,
    shown_value,
    value_fields,
)
from limedb.errors import LimeDBError, RemoteError, UnavailableError
from limedb.rpc.scan_calls import Change, scan_client


@command(
    "watch",
    examples="""
    limedb watch greeting
    limedb watch --prefix user/ -o json
    limedb watch --prefix '' -n 1
    """,
)
@click.argument("key", required=False)
@click.option("--prefix", help="Watch all keys that begin so; an empty one: all keys.")
@click.option(
    "--after-version", type=click.IntRange(0), metavar="VERSION", help="Tell changes since then too."
)
@click.option("-n", "--count", type=click.IntRange(1), help="End after so many changes. Default: never.")
@output_option(TABLE, TABLE, JSON, RAW)
@target_option
def watch(
    key: str | None,
    prefix: str | None,
    after_version: int | None,
    count: int | None,
    shape: str,
    target: str,
) -> None:
    """Show changes of KEY, or of the keys with a prefix, as they happen, until Ctrl-C.

    -o table prints a line a change, json an object a line, raw the values alone.
    """
    if (key is None) == (prefix is None):
        raise click.UsageError("give either KEY or --prefix")
    resume, seen = after_version, 0
    try:
        with scan_client(target) as node:
            for heard in node.watch(key=key, prefix=prefix or "", after_version=after_version):
                if resume is None and not heard.changes:
                    click.echo("watching", err=True)
                for change in heard.changes:
                    _show(change, shape)
                    seen += 1
                    if seen == count:
                        return
                resume = heard.resume_version
    except (RemoteError, UnavailableError) as error:
        raise LimeDBError(f"{error}{_remedy(error, resume)}") from None
    raise LimeDBError(f"the watch ended{_remedy(None, resume)}")


def _show(change: Change, shape: str) -> None:
    deleted = change.value is None
    if shape == JSON:
        told = {"key": change.key, **value_fields(change.value), "version": str(change.version)}
        echo_json(told | ({"delete": True} if deleted else {}), None)
    elif shape == RAW:
        click.echo("" if deleted else change.value)
    else:
        what = "del" if deleted else "set"
        echo(f"{change.version}  {what}  {printable(change.key)}  {shown_value(change.value)}".rstrip())
    sys.stdout.flush()


def _remedy(error: LimeDBError | None, resume: int | None) -> str:
    if isinstance(error, RemoteError) and error.code == "OUT_OF_RANGE":
        return "; changes were missed: read the keys again (limedb scan), and watch from now on"
    return "" if resume is None else f"; go on with --after-version {resume}"

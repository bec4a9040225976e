"""`limedb incr|append|get-and-set|get-and-del`: one change of a key, based on its current value.

Tested in tests/cli/test_edits.py.
"""

import json
import sys
from typing import BinaryIO

import click

from limedb.cli.codes import NOT_FOUND
from limedb.cli.numbers import Whole
from limedb.cli.options import TTL, command, consistency_option, target_option, timeout_option
from limedb.cli.output import JSON, RAW, TABLE, echo_json, output_option, show_rows, shown_value, value_fields
from limedb.core.edits import LEAST_NUMBER, MOST_NUMBER
from limedb.core.quorum import Level
from limedb.core.receipt import Receipt
from limedb.operator.calls import node_client
from limedb.tls.target import Target

NUMBER = Whole(LEAST_NUMBER, MOST_NUMBER)

new_ttl_option = click.option(
    "--ttl",
    type=TTL,
    metavar="DURATION",
    help="Seconds to live, if KEY has no value yet. A value that is there keeps its expiry.",
)


@command(
    "incr",
    examples="""
    limedb incr visits
    limedb incr visits 5
    limedb incr stock/7 -- -1
    limedb incr calls/2030-01-31 --ttl 86400
    """,
)
@click.argument("key")
@click.argument("by", type=NUMBER, default=1)
@click.option(
    "--initial",
    type=NUMBER,
    default=0,
    metavar="N",
    help="The number to add to, if KEY has no value. Default: 0.",
)
@new_ttl_option
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def incr(
    key: str,
    by: int,
    initial: int,
    ttl: float | None,
    shape: str,
    level: Level | None,
    target: Target,
    timeout: float,
) -> None:
    """Add BY to the counter under KEY, and print the sum.

    BY is 1 by default; write a negative number after --. A counter is a whole number of 64 bits, stored as
    text. No increment is lost, however many run at once.
    """
    with node_client(target, timeout) as node:
        number, receipt = node.increment(key, by, initial, _milliseconds(ttl), level)
    _show(key, shape, receipt, "value", number)


@command(
    "append",
    examples="""
    limedb append log/today 'one more line
    '
    limedb append pixels --file more.bin
    """,
)
@click.argument("key")
@click.argument("value", required=False)
@click.option("--file", type=click.File("rb"), help="Add the bytes of a file; - is stdin.")
@new_ttl_option
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def append(
    key: str,
    value: str | None,
    file: BinaryIO | None,
    ttl: float | None,
    shape: str,
    level: Level | None,
    target: Target,
    timeout: float,
) -> None:
    """Add VALUE, or the contents of a file, to the end of the value of KEY, and print the size in bytes.

    VALUE can only be added to text, and a file only to bytes.
    """
    content = _content(value, file)
    with node_client(target, timeout) as node:
        size, receipt = node.append(key, content, _milliseconds(ttl), level)
    _show(key, shape, receipt, "size", size)


@command(
    "get-and-set",
    examples="""
    limedb get-and-set token/current "$NEW"
    limedb get-and-set token/current "$NEW" --keep-ttl -o json
    """,
)
@click.argument("key")
@click.argument("value", required=False)
@click.option("--file", type=click.File("rb"), help="Store the bytes of a file; - is stdin.")
@click.option(
    "--ttl",
    type=TTL,
    metavar="DURATION",
    help="Seconds that the new value lives. Default: forever.",
)
@click.option("--keep-ttl", is_flag=True, help="Let it expire when the value before it would have.")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def get_and_set(
    key: str,
    value: str | None,
    file: BinaryIO | None,
    ttl: float | None,
    keep_ttl: bool,
    shape: str,
    level: Level | None,
    target: Target,
    timeout: float,
) -> None:
    """Store VALUE under KEY, and print the previous value, if there was one; -o json shows whether there
    was.
    """
    if ttl is not None and keep_ttl:
        raise click.UsageError("give one of --ttl and --keep-ttl")
    content = _content(value, file)
    with node_client(target, timeout) as node:
        previous, receipt = node.get_and_set(key, content, _milliseconds(ttl), level, keep_ttl)
    _show_previous(key, shape, receipt, previous)


@command(
    "get-and-del",
    examples="""
    limedb get-and-del invitation/7
    limedb get-and-del picture > picture.png
    """,
)
@click.argument("key")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def get_and_del(key: str, shape: str, level: Level | None, target: Target, timeout: float) -> None:
    """Delete KEY, and print the value that it had; exit with 3 if it had none.

    If many commands take a key at once, one of them gets the value.
    """
    with node_client(target, timeout) as node:
        previous, receipt = node.get_and_delete(key, level)
    _show_previous(key, shape, receipt, previous)
    if previous is None:
        sys.exit(NOT_FOUND)


def _content(value: str | None, file: BinaryIO | None) -> str | bytes:
    if (value is None) == (file is None):
        raise click.UsageError("give either VALUE or --file")
    return value if value is not None else file.read() if file else b""


def _milliseconds(ttl: float | None) -> int:
    return max(1, round(ttl * 1000)) if ttl else 0


def _show(key: str, shape: str, receipt: Receipt, name: str, number: int) -> None:
    if shape == JSON:
        echo_json({"key": key, name: str(number), "version": str(receipt.version)})
    elif shape == TABLE:
        show_rows(shape, ("KEY", f">{name.upper()}", ">VERSION"), [(key, number, receipt.version)])
    else:
        click.echo(number)


def _show_previous(key: str, shape: str, receipt: Receipt, previous: str | bytes | None) -> None:
    """Print a value that is no longer stored; if stdout can't take it, as JSON on stderr."""
    try:
        _print_previous(key, shape, receipt, previous)
        sys.stdout.flush()
    except (UnicodeEncodeError, OSError):
        click.echo(f"the value before, as JSON: {json.dumps(value_fields(previous))}", err=True)
        raise


def _print_previous(key: str, shape: str, receipt: Receipt, previous: str | bytes | None) -> None:
    if shape == JSON:
        fields = {} if previous is None else value_fields(previous)
        echo_json({"key": key, **fields, "version": str(receipt.version)})
    elif shape == TABLE:
        shown = "" if previous is None else shown_value(previous)
        show_rows(shape, ("KEY", ">VERSION", "VALUE BEFORE"), [(key, receipt.version, shown)])
    elif isinstance(previous, bytes):
        sys.stdout.buffer.write(previous)
    elif previous is not None:
        click.echo(previous)

"""`limedb get|set|cas|del|health`: one request to a node or to Envoy.

Tested in tests/cli/test_commands.py.
"""

import sys
from typing import TYPE_CHECKING, BinaryIO

import click

from limedb.cli.codes import FAILED, OK
from limedb.cli.gets import get_many
from limedb.cli.numbers import Whole
from limedb.cli.options import TTL, Moment, command, consistency_option, target_option, timeout_option
from limedb.cli.output import (
    JSON,
    RAW,
    TABLE,
    echo,
    echo_json,
    output_option,
    paint,
    put_value,
    show_rows,
    shown_value,
    table,
    value_fields,
)
from limedb.cli.ranges import InRange, range_options
from limedb.core.condition import Condition
from limedb.core.hlc import MAX_VERSION
from limedb.core.leases import MAX_ID
from limedb.core.limits import MAX_TTL_MS
from limedb.core.quorum import Level
from limedb.core.receipt import Receipt
from limedb.errors import UnsupportedError
from limedb.operator.calls import node_client
from limedb.tls.target import Target

if TYPE_CHECKING:
    from limedb.operator.cluster import View


version_option = click.option(
    "--if-version",
    type=Whole(0, MAX_VERSION),
    metavar="N",
    help="Do it only if the value of KEY has this version; 0: only if it has no value.",
)
value_option = click.option("--if-value", metavar="TEXT", help="Do it only if the value of KEY is this text.")


@command(
    "get",
    examples="""
    limedb get greeting
    limedb get greeting --consistency linearizable -o json
    limedb get picture > picture.png
    limedb get greeting --version
    limedb get user/1 user/2 -o json
    """,
)
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--version", is_flag=True, help="Print the version of the value instead, for --if-version.")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def get(
    keys: tuple[str, ...], version: bool, shape: str, level: Level | None, target: Target, timeout: float
) -> None:
    """Print the value of KEY; exit with 3 if it has none.

    For several keys it prints one value on each line, in their order, and an empty line for a key without a
    value; with -o json one object on each line.
    """
    if len(keys) > 1:
        get_many(keys, version, shape, level, target, timeout)
        return
    (key,) = keys
    with node_client(target, timeout) as node:
        found = node.get(key, level)
    if shape == JSON:
        stamp = {"version": str(found.version), "expiresAtMs": str(found.expires_at_ms)}
        echo_json({"key": key, **value_fields(found.value), "nodeUrl": found.node_url, **stamp})
    elif version:
        click.echo(found.version)
    elif shape == TABLE:
        show_rows(shape, ("KEY", "NODE", "VALUE"), [(key, found.node_url, shown_value(found.value))])
    else:
        put_value(found.value)


@command(
    "set",
    examples="""
    limedb set greeting hello
    limedb set session/7 open --ttl 60
    limedb set offer/3 half-price --expires-at 2030-01-31T12:00:00Z
    limedb set picture --file picture.png
    limedb set greeting hello --if-version 117018236158017536
    limedb set jobs/7 taken --if-absent --ttl 60
    """,
)
@click.argument("key")
@click.argument("value", required=False)
@click.option("--file", type=click.File("rb"), help="Store the bytes of a file; - is stdin.")
@click.option(
    "--ttl",
    type=TTL,
    metavar="DURATION",
    help="Seconds to live. Default: forever.",
)
@click.option("--ttl-ms", type=Whole(1, MAX_TTL_MS), metavar="MS", help="The same in milliseconds.")
@click.option(
    "--expires-at",
    type=Moment(),
    metavar="MOMENT",
    help="When it expires: 2030-01-31T12:00:00Z (or +02:00), or milliseconds since 1970. A moment that has"
    " passed deletes KEY.",
)
@click.option("--keep-ttl", is_flag=True, help="Let it expire when the value before it would have.")
@click.option(
    "--lease", type=Whole(1, MAX_ID), metavar="ID", help="Keep it as long as this lease (`limedb lease`)."
)
@version_option
@click.option("--if-absent", is_flag=True, help="Store it only if KEY has no value.")
@click.option("--if-exists", is_flag=True, help="Store it only if KEY has a value.")
@value_option
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def set_(
    key: str,
    value: str | None,
    file: BinaryIO | None,
    ttl: float | None,
    ttl_ms: int | None,
    expires_at: int | None,
    keep_ttl: bool,
    lease: int | None,
    if_version: int | None,
    if_absent: bool,
    if_exists: bool,
    if_value: str | None,
    shape: str,
    level: Level | None,
    target: Target,
    timeout: float,
) -> None:
    """Store VALUE, or the contents of a file, under KEY, and print OK.

    With a condition that doesn't hold, it stores nothing and exits with 6.
    """
    if (value is None) == (file is None):
        raise click.UsageError("give either VALUE or --file")
    if sum(life is not None for life in (ttl, ttl_ms, expires_at, keep_ttl or None, lease)) > 1:
        raise click.UsageError("give one of --ttl, --ttl-ms, --expires-at, --keep-ttl and --lease")
    condition = _condition(if_version, if_value, if_absent, if_exists)
    life_ms = max(1, round(ttl * 1000)) if ttl else ttl_ms or 0
    content = value if value is not None else file.read() if file else b""
    with node_client(target, timeout) as node:
        receipt = node.set(key, content, life_ms, level, expires_at or 0, condition, keep_ttl, lease or 0)
    _show_stored(key, shape, receipt)


@command(
    "cas",
    examples="""
    limedb cas light/hall off on
    limedb cas light/hall off on --keep-ttl
    """,
)
@click.argument("key")
@click.argument("old")
@click.argument("new")
@click.option("--keep-ttl", is_flag=True, help="Let it expire when the value before it would have.")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def cas(
    key: str,
    old: str,
    new: str,
    keep_ttl: bool,
    shape: str,
    level: Level | None,
    target: Target,
    timeout: float,
) -> None:
    """Store NEW under KEY if its value is the text OLD, and print OK; else exit with 6.

    It is `limedb set KEY NEW --if-value OLD`.
    """
    with node_client(target, timeout) as node:
        receipt = node.set(key, new, 0, level, 0, Condition(value=old), keep_ttl)
    _show_stored(key, shape, receipt)


def _show_stored(key: str, shape: str, receipt: Receipt) -> None:
    if shape == JSON:
        echo_json({"key": key, **_as_rest(receipt)})
    elif shape == TABLE:
        _show_receipt(key, receipt)
    else:
        click.echo("OK")


@command(
    "del",
    examples="""
    limedb del greeting
    limedb del greeting -o json
    limedb del jobs/7 --if-value taken
    limedb del --prefix session/ --dry-run
    limedb del --prefix session/
    """,
)
@click.argument("key", required=False)
@range_options
@version_option
@value_option
@click.option("--if-exists", is_flag=True, help="Delete it only if KEY has a value.")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def del_(
    key: str | None,
    in_range: InRange,
    if_version: int | None,
    if_value: str | None,
    if_exists: bool,
    shape: str,
    level: Level | None,
    target: Target,
    timeout: float,
) -> None:
    """Delete KEY, and print 1, or 0 if it had no value.

    With a condition that doesn't hold, it deletes nothing and exits with 6.

    With --prefix it deletes all keys that begin with the prefix, and prints their number. On a terminal it
    asks first. It keeps values that are written after it has seen the key. If it breaks off, it prints how to
    continue.
    """
    if in_range.is_given(key, if_version is not None or if_value is not None or if_exists):
        in_range.delete(shape, level, target, timeout)
        return
    condition, key = _condition(if_version, if_value, is_there=if_exists), key or ""
    with node_client(target, timeout) as node:
        deleted, receipt = node.delete(key, level, condition)
    if shape == JSON:
        echo_json({"key": key, "deleted": deleted, **_as_rest(receipt)})
    elif shape == TABLE:
        _show_receipt(key, receipt, deleted=deleted)
    else:
        click.echo(deleted)


@command(
    "health",
    examples="""
    limedb health --target localhost:7001
    limedb health -o table
    """,
)
@output_option(RAW)
@target_option
@timeout_option
def health(shape: str, target: Target, timeout: float) -> None:
    """Check whether a node takes requests; exit with 0 if it does, else with 1."""
    serving = _is_serving(target, timeout) if shape == RAW else _show_health(shape, target, timeout)
    if shape == RAW:
        echo(paint("SERVING" if serving else "NOT_SERVING"))
    sys.exit(OK if serving else FAILED)


def _condition(
    version: int | None, value: str | None, is_absent: bool = False, is_there: bool = False
) -> Condition | None:
    """Return the condition of a write; None: it has none."""
    if sum((version is not None, value is not None, is_absent, is_there)) > 1:
        raise click.UsageError("give one condition, of --if-version, --if-value, --if-absent and --if-exists")
    if is_absent or is_there:
        return Condition(exists=is_there)
    given = Condition(version=version, value=value)
    return given if given != Condition() else None


def _is_serving(target: Target, timeout: float) -> bool:
    """Ask grpc.health.v1; through Envoy, which doesn't route that, ask a node for its health."""
    try:
        with node_client(target, timeout) as node:
            return node.is_serving()
    except UnsupportedError:
        return bool(_health(target, timeout)["status"] == "healthy")


def _show_health(shape: str, target: Target, timeout: float) -> bool:
    """Print the node's health; return whether it takes requests."""
    status = _health(target, timeout)
    if shape == JSON:
        echo_json(status)
    else:
        storage = {f"storage {name}": value for name, value in status.pop("storage", {}).items()}
        echo(table(("", ""), list({**status, **storage}.items()), with_header=False))
    return bool(status["status"] == "healthy")


def _health(target: Target, timeout: float) -> "View":
    from limedb.operator.cluster import cluster_client  # most calls of health don't need it

    with cluster_client(target, timeout) as node:
        return node.health()


def _show_receipt(key: str, receipt: Receipt, **more: object) -> None:
    fields = {"key": key, **more, **receipt._asdict()}
    columns = [name.upper() if name == "key" else f">{name.upper()}" for name in fields]
    show_rows(TABLE, columns, [tuple(fields.values())])


def _as_rest(receipt: Receipt) -> dict[str, object]:
    """Return a receipt as REST spells it: its 64-bit numbers are strings."""
    fields = receipt._asdict()
    return fields | {"version": str(receipt.version), "epoch": str(receipt.epoch)}

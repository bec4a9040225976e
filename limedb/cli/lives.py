"""`limedb ttl|expire|persist`: when the value of a key expires.

It owns the rule that the value stays the one that was read: it never overwrites a change by others.

Tested in tests/cli/test_lives.py.
"""

import time
from collections.abc import Callable

import click

from limedb.cli.options import TTL, Moment, command, consistency_option, target_option, timeout_option
from limedb.cli.output import JSON, RAW, TABLE, echo_json, output_option, show_rows
from limedb.core.condition import Condition
from limedb.core.quorum import Level
from limedb.core.receipt import Receipt
from limedb.errors import ConditionFailedError, LimeDBError
from limedb.operator.calls import Found, NodeClient, node_client
from limedb.tls.target import Target

MOST_TRIES = 10
"""How often to read a value again that others keep changing."""


@command(
    "ttl",
    examples="""
    limedb ttl session/7
    limedb ttl session/7 -o json
    """,
)
@click.argument("key")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def ttl(key: str, shape: str, level: Level | None, target: Target, timeout: float) -> None:
    """Print how many seconds the value of KEY still lives, or never if it doesn't expire; exit with 3 if it
    has no value.
    """
    with node_client(target, timeout) as node:
        found = node.get(key, level)
    left_ms = max(0, found.expires_at_ms - round(time.time() * 1000)) if found.expires_at_ms else None
    if shape == JSON:
        left = None if left_ms is None else str(left_ms)
        echo_json({"key": key, "ttlMs": left, "expiresAtMs": str(found.expires_at_ms)})
    else:
        shown = "never" if left_ms is None else f"{left_ms / 1000:.3f}"
        if shape == TABLE:
            show_rows(
                shape, ("KEY", ">SECONDS", ">EXPIRES AT MS"), [(key, shown, found.expires_at_ms or "-")]
            )
        else:
            click.echo(shown)


@command(
    "expire",
    examples="""
    limedb expire session/7 10m
    limedb expire offer/3 --at 2030-01-31T12:00:00Z
    """,
)
@click.argument("key")
@click.argument("life", metavar="[DURATION]", required=False, type=TTL)
@click.option("--at", "moment", type=Moment(), metavar="MOMENT", help="When, instead: 2030-01-31T12:00:00Z.")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def expire(
    key: str,
    life: float | None,
    moment: int | None,
    shape: str,
    level: Level | None,
    target: Target,
    timeout: float,
) -> None:
    """Let the value of KEY expire after DURATION (60, 500ms, 10m, 24h), and print OK; exit with 3 if it has
    none.

    The value stays as it is. If others change it meanwhile, theirs gets the expiry.
    """
    if (life is None) == (moment is None):
        raise click.UsageError("give either DURATION or --at")
    life_ms = max(1, round(life * 1000)) if life else 0
    receipt = _change(
        key,
        lambda node, found: node.set(key, found.value, life_ms, level, moment or 0, _as_read(found)),
        level,
        target,
        timeout,
    )
    _show(key, shape, receipt)


@command(
    "persist",
    examples="""
    limedb persist session/7
    """,
)
@click.argument("key")
@output_option(RAW)
@consistency_option
@target_option
@timeout_option
def persist(key: str, shape: str, level: Level | None, target: Target, timeout: float) -> None:
    """Let the value of KEY live forever, and print OK; exit with 3 if it has none.

    The value stays as it is. If others change it meanwhile, theirs lives forever.
    """
    receipt = _change(
        key,
        lambda node, found: node.set(key, found.value, 0, level, 0, _as_read(found)),
        level,
        target,
        timeout,
    )
    _show(key, shape, receipt)


def _as_read(found: Found) -> Condition:
    return Condition(version=found.version)


def _change(
    key: str,
    store: Callable[[NodeClient, Found], Receipt],
    level: Level | None,
    target: Target,
    timeout: float,
) -> Receipt:
    """Read a value and store it with another expiry, until nobody changes it in between."""
    with node_client(target, timeout) as node:
        for _ in range(MOST_TRIES):
            try:
                return store(node, node.get(key, level))
            except LimeDBError as error:
                if error.reason != ConditionFailedError.reason:
                    raise
        raise LimeDBError(f"others changed {key} at each of {MOST_TRIES} tries; nothing was changed here")


def _show(key: str, shape: str, receipt: Receipt) -> None:
    fields = receipt._asdict()
    if shape == JSON:
        spelled = {"version": str(receipt.version), "epoch": str(receipt.epoch)}
        echo_json({"key": key, **fields, **spelled})
    elif shape == TABLE:
        show_rows(TABLE, ("KEY", *(f">{name.upper()}" for name in fields)), [(key, *fields.values())])
    else:
        click.echo("OK")

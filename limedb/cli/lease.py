"""`limedb lease`: keys that exist as long as somebody renews their lease.

It owns the subcommands and their output. It must never decide when a lease expires: the nodes do.

Tested in tests/cli/test_lease.py.
"""

import time
from typing import TYPE_CHECKING

import click

from limedb.cli.numbers import Whole
from limedb.cli.options import TTL, Command, Group, target_option, timeout_option
from limedb.cli.output import JSON, RAW, TABLE, echo_json, output_option, show_rows
from limedb.core.leases import MAX_ID
from limedb.errors import RequestTimeoutError, UnavailableError
from limedb.tls.target import Target

if TYPE_CHECKING:
    from limedb.client import SyncClient

RENEWALS = 3
"""In each life."""
AGAIN_SECONDS = 0.2
"""Between two tries while too few nodes answer."""

_id = click.argument("lease", metavar="ID", type=Whole(1, MAX_ID))


@click.group(
    cls=Group,
    examples="""
    limedb lease grant --ttl 30s
    limedb set services/web-1 10.0.0.1:80 --lease 7587855281862
    limedb lease keep-alive 7587855281862
    """,
)
def lease() -> None:
    """Keep keys in place as long as somebody renews them.

    Grant a lease, attach keys to it (`limedb set --lease ID`), and keep it alive. If nobody renews it within
    its time to live, or somebody revokes it, the keys are deleted.
    """


@lease.command(
    cls=Command,
    examples="""
    limedb lease grant --ttl 30s
    """,
)
@click.option(
    "--ttl",
    type=TTL,
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="How long it lives without a renewal, 1 s to 24 h.",
)
@output_option(RAW)
@target_option
@timeout_option
def grant(ttl: float, shape: str, target: Target, timeout: float) -> None:
    """Grant a lease, and print its id."""
    with _connected(target, timeout) as db:
        found = db.grant_lease(ttl)
    _show(shape, {"id": str(found), "ttlMs": str(round(ttl * 1000))}, str(found))


@lease.command(
    "keep-alive",
    cls=Command,
    examples="""
    limedb lease keep-alive 7587855281862
    limedb lease keep-alive 7587855281862 --once
    """,
)
@_id
@click.option("--once", is_flag=True, help="Renew it once, and print the seconds that it lives from now on.")
@target_option
@timeout_option
def keep_alive(lease: int, once: bool, target: Target, timeout: float) -> None:
    """Renew the lease ID three times in each life until Ctrl-C; exit with 3 if it no longer exists.

    The command doesn't revoke the lease: its keys stay for its time to live after the last renewal.
    """
    with _connected(target, timeout) as db:
        left = db.renew_lease(lease)
        if once:
            click.echo(f"{left:.3f}")
            return
        while True:
            end = time.monotonic() + left
            time.sleep(left / RENEWALS)
            left = _renewed(db, lease, end)


def _renewed(db: "SyncClient", lease: int, end: float) -> float:
    """Renew a lease, however often too few nodes answer while it may live; return for how many seconds."""
    while True:
        try:
            return db.renew_lease(lease)
        except (UnavailableError, RequestTimeoutError):
            if time.monotonic() >= end:
                raise
            time.sleep(AGAIN_SECONDS)


@lease.command(
    cls=Command,
    examples="""
    limedb lease revoke 7587855281862
    """,
)
@_id
@output_option(RAW)
@target_option
@timeout_option
def revoke(lease: int, shape: str, target: Target, timeout: float) -> None:
    """Revoke the lease ID, delete its keys, and print their number; exit with 3 if it no longer exists."""
    with _connected(target, timeout) as db:
        deleted = db.revoke_lease(lease)
    _show(shape, {"id": str(lease), "deleted": str(deleted)}, str(deleted))


@lease.command(
    cls=Command,
    examples="""
    limedb lease ttl 7587855281862
    limedb lease ttl 7587855281862 -o json
    """,
)
@_id
@output_option(RAW)
@target_option
@timeout_option
def ttl(lease: int, shape: str, target: Target, timeout: float) -> None:
    """Print how many seconds the lease ID still lives; with -o json its keys, too. Exit with 3 if it no
    longer exists.
    """
    with _connected(target, timeout) as db:
        found = db.lease_status(lease)
    if shape == TABLE:
        show_rows(
            shape, (">SECONDS", ">OF", "KEY"), [(found.left, found.ttl, key) for key in found.keys or ("-",)]
        )
        return
    times = {"ttlMs": str(round(found.left * 1000)), "grantedTtlMs": str(round(found.ttl * 1000))}
    _show(shape, {"id": str(lease), **times, "keys": [*found.keys]}, f"{found.left:.3f}")


def _connected(target: Target, timeout: float) -> "SyncClient":
    from limedb.client import connect_sync

    return connect_sync(target.url, timeout=timeout, **target.files)


def _show(shape: str, fields: dict[str, str | list[str]], raw: str) -> None:
    if shape == JSON:
        echo_json(fields)
    elif shape == TABLE:
        show_rows(TABLE, tuple(name.upper() for name in fields), [tuple(fields.values())])
    else:
        click.echo(raw)

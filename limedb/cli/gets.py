"""`limedb get` of several keys.

Tested in tests/cli/test_ranges.py.
"""

import sys
from collections.abc import Iterator, Sequence

import click

from limedb.cli.codes import FAILED, NOT_FOUND
from limedb.cli.output import (
    JSON,
    TABLE,
    echo_json,
    print_error,
    printable,
    put,
    show_rows,
    shown_value,
    value_fields,
)
from limedb.core.quorum import Level
from limedb.errors import LimeDBError
from limedb.operator.calls import Found, node_client
from limedb.tls.target import Target

AT_ONCE = 1000
"""How many keys are asked for at a time."""
Outcome = tuple[str, Found | LimeDBError | None]


def get_many(
    keys: Sequence[str], version: bool, shape: str, level: Level | None, target: Target, timeout: float
) -> None:
    """Print the values of keys, or their versions, in the order of the keys; for a key without a value, an
    empty line. Exit with 3 if a key has no value, with 1 if one can't be read.
    """
    missing, failed = 0, 0
    rows: list[tuple[object, ...]] = []
    for key, found in _read(keys, level, target, timeout):
        if isinstance(found, LimeDBError):
            failed += 1
            print_error(f"{printable(key)}: {found}")
        elif found is None:
            missing += 1
            click.echo(f"{printable(key)} has no value", err=True)
        value = found if isinstance(found, Found) else None
        if shape == TABLE:
            rows.append((key, value.version if value else "-", shown_value(value.value) if value else ""))
        else:
            _show(key, value, version, shape)
    if shape == TABLE:
        show_rows(TABLE, ("KEY", ">VERSION", "VALUE"), rows)
    sys.stdout.flush()
    if failed or missing:
        sys.exit(FAILED if failed else NOT_FOUND)


def _read(keys: Sequence[str], level: Level | None, target: Target, timeout: float) -> Iterator[Outcome]:
    with node_client(target, timeout) as node:
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            yield from zip(some, node.get_many(some, level), strict=True)


def _show(key: str, found: Found | None, version: bool, shape: str) -> None:
    if shape == JSON:
        stamp = {"version": str(found.version), "expiresAtMs": str(found.expires_at_ms)} if found else {}
        echo_json(
            {"key": key, "found": found is not None, **value_fields(found.value if found else None), **stamp},
            None,
        )
    elif version:
        put(str(found.version if found else 0))
    else:
        put(found.value if found else "")

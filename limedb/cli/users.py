"""`limedb admin user` and `limedb admin new-secret`: arguments and screens.

A token appears once, on stdout, and nowhere else.

Tested in tests/scenarios/test_access.py.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from limedb.access.tokens import new_secret as make_secret
from limedb.access.tokens import write_secret
from limedb.cli.numbers import Duration
from limedb.cli.options import Command, Group, Moment, target_option, timeout_option
from limedb.cli.output import JSON, RAW, TABLE, echo_json, output_option, show_rows
from limedb.core.rights import parse_grant
from limedb.errors import LimeDBError
from limedb.operator.users import UserInfo, user_client
from limedb.tls.target import Target

_COLUMNS = ("NAME", "ROLES", "CREATED", "EXPIRES")
_WEEK, _YEARS = 7 * 24 * 3600.0, 100 * 365 * 24 * 3600.0
_name = click.argument("name", metavar="NAME")
_ttl = click.option(
    "--ttl",
    type=Duration(0.001, _YEARS),
    metavar="DURATION",
    help="How long the token counts, such as 720h, in place of --expires-at.",
)


@click.group(
    "user",
    cls=Group,
    examples="""
    limedb admin user add shop --role read:shop/ --role write:shop/
    limedb admin user list
    """,
)
def user() -> None:
    """Manage users and their tokens."""


def _roles(_context: click.Context, _option: click.Parameter, roles: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for role in roles:
            parse_grant(role)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return roles


@user.command(
    cls=Command,
    examples="""
    limedb admin user add shop --role read:shop/ --role write:shop/
    limedb admin user add alice --role admin --role operator --expires-at 2030-01-31T12:00:00Z
    limedb admin user add intern --role read --ttl 720h
    """,
)
@_name
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    metavar="ROLE[:PREFIX]",
    callback=_roles,
    help="read, write, watch or admin, with :PREFIX for the keys that begin so; or operator. Repeatable.",
)
@click.option("--expires-at", type=Moment(), metavar="MOMENT", help="When the token expires. Default: never.")
@_ttl
@target_option
@timeout_option
def add(
    name: str,
    roles: tuple[str, ...],
    expires_at: int | None,
    ttl: float | None,
    target: Target,
    timeout: float,
) -> None:
    """Add a user, and print its token: keep it, since nobody can ask for it again."""
    ends = _end(expires_at, ttl)
    with user_client(target, timeout) as node:
        _, token = node.add(name, roles, ends)
    click.echo(token)


@user.command(
    "list",
    cls=Command,
    examples="""
    limedb admin user list
    limedb admin user list -o json
    """,
)
@output_option(TABLE)
@target_option
@timeout_option
def list_(shape: str, target: Target, timeout: float) -> None:
    """List the users that you may manage."""
    with user_client(target, timeout) as node:
        users = node.all()
    if shape == JSON:
        echo_json([_as_json(each) for each in users])
    else:
        show_rows(shape, _COLUMNS, [*map(_row, users)])


@user.command(
    cls=Command,
    examples="""
    limedb admin user delete shop
    """,
)
@_name
@target_option
@timeout_option
def delete(name: str, target: Target, timeout: float) -> None:
    """Remove a user: its token stops working within seconds."""
    with user_client(target, timeout) as node:
        node.delete(name)


@user.command(
    cls=Command,
    examples="""
    limedb admin user rotate shop
    limedb admin user rotate alice --expires-at 2031-01-31T12:00:00Z
    """,
)
@_name
@click.option(
    "--expires-at",
    type=Moment(),
    metavar="MOMENT",
    help="When the new token expires. Default: as the old one.",
)
@_ttl
@target_option
@timeout_option
def rotate(name: str, expires_at: int | None, ttl: float | None, target: Target, timeout: float) -> None:
    """Replace a user's token, and print the new one; the old one stops working within seconds."""
    ends = _end(expires_at, ttl)
    with user_client(target, timeout) as node:
        _, token = node.rotate(name, ends)
    click.echo(token)


def _end(expires_at: int | None, ttl: float | None) -> int:
    """When a token expires, by this machine's clock, in milliseconds since 1970; 0: it isn't said."""
    if expires_at is not None and ttl is not None:
        raise click.UsageError("give --expires-at or --ttl, not both")
    return expires_at or (round((time.time() + ttl) * 1000) if ttl is not None else 0)


@click.group("token", cls=Group, examples="limedb admin token join http://node4:8484 --ttl 1h")
def token() -> None:
    """Make tokens with which new nodes obtain their certificates."""


@token.command(
    "join",
    cls=Command,
    examples="""
    limedb admin token join http://node4:8484 --ttl 1h
    limedb admin token join http://node4:8484 --host db.example.com
    """,
)
@click.argument("node_url", metavar="NODE_URL")
@click.option(
    "--host", "hosts", multiple=True, help="Another name or address at which clients reach the node."
)
@click.option(
    "--ttl",
    default="1h",
    show_default=True,
    type=Duration(0.001, _WEEK),
    help="How long it is valid: up to 168h.",
)
@target_option
@timeout_option
def join_(node_url: str, hosts: tuple[str, ...], ttl: float, target: Target, timeout: float) -> None:
    """Print a token with which the new node NODE_URL obtains its certificate, once. The node at --target must
    have the CA's key (TLS_CA_KEY).
    """
    with user_client(target, timeout) as node:
        click.echo(node.add_join_token(node_url, hosts, round(ttl * 1000)))


@click.command(
    "new-secret",
    cls=Command,
    examples="""
    limedb admin new-secret cluster.secret root.token
    """,
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
def new_secret(files: tuple[Path, ...]) -> None:
    """Write a new secret to each FILE, for CLUSTER_SECRET_FILE and ROOT_TOKEN_FILE; only you may read it."""
    for file in files:
        try:
            write_secret(file, make_secret())
        except OSError as error:
            raise LimeDBError(f"{file} can't be written: {error.strerror}") from None


@click.command(
    cls=Command,
    examples="""
    limedb whoami
    """,
)
@output_option(TABLE)
@target_option
@timeout_option
def whoami(shape: str, target: Target, timeout: float) -> None:
    """Show the user that the cluster takes you for, and what you may do."""
    with user_client(target, timeout) as node:
        own = node.who_am_i()
    if shape == JSON:
        echo_json(_as_json(own))
    elif shape == RAW:
        click.echo(own.name)
    else:
        show_rows(shape, _COLUMNS, [_row(own)])


def _row(user: UserInfo) -> tuple[str, ...]:
    return (
        user.name,
        " ".join(user.roles),
        _moment(user.created_at_ms, "-"),
        _moment(user.expires_at_ms, "never"),
    )


def _as_json(user: UserInfo) -> dict[str, object]:
    return {
        "name": user.name,
        "roles": user.roles,
        "createdAtMs": user.created_at_ms,
        "expiresAtMs": user.expires_at_ms,
    }


def _moment(ms: int, none: str) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if ms else none

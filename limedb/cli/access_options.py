"""The options of commands that make a configuration of Envoy: who may use it, and for what.

Tested in tests/cli/test_app.py.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from limedb.launch.access import Access
from limedb.launch.addresses import bare_host
from limedb.wire.audience import ON_REQUEST

_OPTIONS = (
    click.option(
        "--server-name",
        "server_names",
        multiple=True,
        metavar="NAME",
        help="A name by which clients reach Envoy, besides localhost and IP addresses. Requests under other"
        " names are refused. May be given several times.",
    ),
    click.option(
        "--origin",
        "origins",
        multiple=True,
        metavar="URL",
        help="An origin whose pages may call Envoy, such as https://app.example.com, besides its own. May be"
        " given several times.",
    ),
)


def host_of_option(_context: click.Context, _option: click.Parameter, host: str | None) -> str | None:
    """The host of --host, IPv6 with or without brackets."""
    return bare_host(host) if host is not None else None


def access_options(operators_help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator of commands, which get an Access by the name `access`. operators_help: of --operators."""
    operators = click.option("--operators", metavar="HOST:PORT", help=operators_help)
    publish = click.option(
        "--publish",
        multiple=True,
        type=click.Choice(sorted(ON_REQUEST)),
        help="Publish SetDirect or GossipService, too, where operators' services are.",
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(
            server_names: tuple[str, ...],
            origins: tuple[str, ...],
            operators: str | None,
            publish: tuple[str, ...],
            **others: Any,  # noqa: ANN401 (of the command)
        ) -> Any:  # noqa: ANN401
            return command(access=Access.parse(server_names, origins, operators, publish), **others)

        for option in reversed((*_OPTIONS, operators, publish)):
            run = option(run)
        return run

    return decorate

"""Options that several commands have, and the form of their help.

Tested in tests/cli/test_commands.py.
"""

import functools
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from limedb.cli.numbers import Duration, Whole
from limedb.cli.sessions import Session
from limedb.cli.targets import CONTEXT, FILES, ask, names_target, normal
from limedb.core.limits import MAX_TTL_MS
from limedb.core.moment import EXPIRY_RANGE, can_expire, moment_of
from limedb.core.quorum import Level


def _address(_context: click.Context, _option: click.Parameter, text: str) -> str:
    return normal(text)


class Moment(click.ParamType[int]):
    """A moment in milliseconds since 1970, or in the form of RFC 3339, with a time zone."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 (click's own)
        """Return the moment in milliseconds since 1970, or fail with the forms."""
        text = str(value)
        moment = (
            int(text[:_MOST_DIGITS]) if text.isascii() and text.isdigit() else self._of_date(text, param, ctx)
        )
        if not can_expire(moment):
            self.fail(f"{text!r:.60}: {EXPIRY_RANGE}", param, ctx)
        return moment

    def _of_date(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            moment = moment_of(datetime.fromisoformat(text))
        except ValueError:
            moment = None
        if moment is None:
            self.fail(
                f"{text!r:.60} is neither a time such as 2030-01-31T12:00:00Z or 2030-01-31T12:00:00+02:00,"
                " nor milliseconds since 1970.",
                param,
                ctx,
            )
        return moment


_MOST_DIGITS = 20
MAX_COUNT = (1 << 32) - 1
SECONDS = Duration(0, 30 * 24 * 3600, min_open=True)
"""Up to 30 days, which gRPC and the kernel can wait."""
TTL = Duration(0, MAX_TTL_MS / 1000, min_open=True)
COUNT = Whole(1, MAX_COUNT)


class _File(click.Path):
    """A TLS file, which must exist."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 (click's own)
        """Return the path, or fail."""
        if not value:
            self.fail("it names no file. To connect without TLS, leave the option out.", param, ctx)
        return super().convert(value, param, ctx)


_FILE = _File(exists=True, dir_okay=False, path_type=Path)


def with_tls(command: "Callable[..., None]", *, reads_token: bool = True) -> "Callable[..., None]":
    """Add a context, and the files of TLS and of a token, to a command that has an option --target, and give
    it a Target instead of text. reads_token: it shows a token, which is read for it.
    """

    @functools.wraps(command)
    def run(*args: Any, target: str, **options: Any) -> None:  # noqa: ANN401 (click's own)
        files = {name: options.pop(name) for name in FILES}
        options.pop(CONTEXT)
        context = click.get_current_context()
        session = context.find_object(Session)
        if session is not None and not names_target(context):
            command(*args, target=session.target, **options)
        else:
            command(*args, target=ask(context, target, files).target(reads_token), **options)

    for option in reversed(_TLS_OPTIONS):
        run = option(run)
    return run


_TLS_OPTIONS = (
    click.option(
        "--context", CONTEXT, metavar="NAME", envvar="LIMEDB_CONTEXT",
        help="The cluster of that name (limedb context add). Default: that of limedb context use.",
    ),
    click.option(
        "--ca", "tls_ca", type=_FILE, metavar="FILE", envvar="LIMEDB_CA",
        help="The CA of the nodes' certificates: speak TLS.",
    ),
    click.option(
        "--cert", "tls_cert", type=_FILE, metavar="FILE", envvar="LIMEDB_CERT",
        help="The certificate to show, if nodes ask for one.",
    ),
    click.option(
        "--key", "tls_key", type=_FILE, metavar="FILE", envvar="LIMEDB_KEY", help="The key of --cert.",
    ),
    click.option(
        "--token-file", type=click.Path(path_type=Path), metavar="FILE", envvar="LIMEDB_TOKEN_FILE",
        help="A file with the token to show. Default: that of LIMEDB_TOKEN, else of `limedb login`.",
    ),
)  # fmt: skip


def target_option(command: "Callable[..., None]", *, reads_token: bool = True) -> "Callable[..., None]":
    """Add --target and the files for it to a command, which gets a Target. reads_token: see `with_tls`."""
    option = click.option(
        "--target",
        default="localhost:8484",
        show_default=True,
        metavar="HOST:PORT",
        envvar="LIMEDB_TARGET",
        callback=_address,
        help="The node or Envoy to ask, or several: HOST:PORT,HOST:PORT; https://HOST:PORT: with TLS, its"
        " certificate from a public CA.",
    )
    return option(with_tls(command, reads_token=reads_token))


def _level(context: click.Context, _option: click.Parameter, text: str | None) -> Level | None:
    """The level of an option, otherwise that of the shell, if it has one."""
    session = context.find_object(Session)
    return Level(text) if text else session.level if session else None


timeout_option = click.option(
    "--timeout",
    default=5.0,
    show_default=True,
    type=SECONDS,
    metavar="DURATION",
    help="How long to wait for the answer.",
)
patience_option = click.option(
    "--timeout",
    "patience",
    default=30.0,
    show_default=True,
    type=SECONDS,
    metavar="DURATION",
    help="How long to retry while the cluster is away.",
)
ready_option = click.option(
    "--timeout",
    "seconds",
    default=30.0,
    show_default=True,
    type=SECONDS,
    metavar="DURATION",
    help="How long to wait for nodes to be ready.",
)
consistency_option = click.option(
    "--consistency",
    "level",
    type=click.Choice([level.value for level in Level], case_sensitive=False),
    callback=_level,
    help="How many replicas must agree. Default: the node's.",
)


class Command(click.Command):
    """A command, or a group, whose help ends with examples."""

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:  # noqa: ANN401 (click's own)
        super().__init__(*args, **kwargs)
        self.examples = [line.strip() for line in examples.strip().splitlines()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; where an argument seems to be an option, say how to give it."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            has_arguments = any(isinstance(each, click.Argument) for each in self.params)
            if has_arguments and re.fullmatch("-[^-]", error.option_name):
                raise click.UsageError(
                    f"{error.message} Put -- before arguments that begin with -, behind all options:"
                    f" {ctx.command_path} ... -- ...",
                    ctx,
                ) from None
            raise
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are, one a line."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Group(Command, click.Group):
    """A group of commands whose help ends with examples."""


def command(name: str, examples: str) -> Callable[[Callable[..., None]], Command]:
    """Return the decorator of a command with examples."""
    return click.command(name, cls=Command, examples=examples)

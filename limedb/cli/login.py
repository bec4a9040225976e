"""`limedb login` and `limedb logout`: tokens that later commands show.

The token comes from the terminal, without echo, or from stdin: as an argument, `ps` and the shell's history
would have it.

Tested in tests/cli/test_login.py.
"""

import os
import sys
from functools import partial

import click

from limedb.cli.options import Command, target_option, timeout_option
from limedb.errors import InvalidRequestError
from limedb.operator.tokens import forget_all, is_damaged, is_token, store
from limedb.operator.users import user_client
from limedb.tls.target import Target

unread_target_option = partial(target_option, reads_token=False)
"""The file of tokens may be damaged: these commands mend it."""


@click.command(
    cls=Command,
    examples="""
    limedb login
    limedb login --target db.example.com:8484 <root.token
    """,
)
@unread_target_option
@timeout_option
def login(target: Target, timeout: float) -> None:
    """Ask for a token, try it, and store it for this target, to which later commands show it.

    It is stored in ~/.config/limedb/tokens.json (or under XDG_CONFIG_HOME), which only you may read.
    """
    token = (getpass() if sys.stdin.isatty() else sys.stdin.read()).strip()
    if not is_token(token):
        raise InvalidRequestError("the token must be one word of ASCII")
    with user_client(Target(target.address, target.tls, token), timeout) as node:
        own = node.who_am_i()
    path = store(str(target), token, os.environ)
    click.echo(f"{own.name} ({' '.join(own.roles) or 'no roles'}); the token for {target} is in {path}")


@click.command(
    cls=Command,
    examples="""
    limedb logout
    """,
)
@unread_target_option
def logout(target: Target) -> None:
    """Forget the token that is stored for this target. To revoke it: `limedb admin user rotate`."""
    if is_damaged(os.environ):
        path = forget_all(os.environ)
        click.echo(f"{path} was damaged: it is removed, and with it the tokens for all targets", err=True)
        return
    store(str(target), None, os.environ)


def getpass() -> str:
    """The token as typed."""
    return str(click.prompt("Token", hide_input=True, prompt_suffix=": "))

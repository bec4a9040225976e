"""`limedb context`: clusters under names.

It never calls a cluster.
"""

import os
from pathlib import Path

import click

from limedb.cli.options import Command, Group
from limedb.cli.output import JSON, RAW, TABLE, echo_json, output_option, show_rows
from limedb.cli.targets import normal
from limedb.operator.contexts import Context, Contexts, load_contexts, store_contexts
from limedb.operator.tokens import token_for
from limedb.tls.target import client_tls

_name = click.argument("name", metavar="NAME")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(
    cls=Group,
    examples="""
    limedb context add prod --target db1:8484,db2:8484 --ca ca.pem --token-file root.token
    limedb context use prod
    limedb get greeting --context prod
    """,
)
def context() -> None:
    """Give clusters names, and choose the one that commands ask.

    A command asks the cluster of --target; else that of --context; else that of LIMEDB_TARGET, of
    LIMEDB_CONTEXT, or of the context in use. The files of a context are for its target alone.
    """


@context.command(
    cls=Command,
    examples="""
    limedb context add local --target localhost:8484
    limedb context add prod --target db1:8484,db2:8484 --ca ca.pem --token-file root.token
    """,
)
@_name
@click.option(
    "--target",
    required=True,
    metavar="HOST:PORT",
    callback=lambda _context, _option, text: normal(text),
    help="The node or Envoy to ask, or several, with commas between them.",
)
@click.option("--ca", type=_FILE, help="The CA of the nodes' certificates: speak TLS.")
@click.option("--cert", type=_FILE, help="The certificate to show, if nodes ask for one.")
@click.option("--key", type=_FILE, help="The key of --cert.")
@click.option("--token-file", type=_FILE, help="A file with the token to show.")
def add(
    name: str, target: str, ca: Path | None, cert: Path | None, key: Path | None, token_file: Path | None
) -> None:
    """Store a cluster under NAME, in place of an earlier one. The first one is used at once.

    It is stored in ~/.config/limedb/contexts.json (or under XDG_CONFIG_HOME), which only you may read.
    """
    client_tls(ca, cert, key)  # a certificate without its key is refused now
    if token_file is not None:
        token_for("", token_file, os.environ)
    made = Context(target, *(os.path.abspath(path) if path else "" for path in (ca, cert, key, token_file)))
    contexts = load_contexts(os.environ).having(name, made)
    store_contexts(contexts, os.environ)
    used = " and is in use" if contexts.used == name else f"; use it: limedb context use {name}"
    click.echo(f"{name} stands for {target}{used}")


@context.command(cls=Command, examples="limedb context use prod")
@_name
def use(name: str) -> None:
    """Make NAME the default cluster of commands."""
    contexts = load_contexts(os.environ).using(name)
    store_contexts(contexts, os.environ)
    click.echo(f"{name} is in use: {contexts.get(name).target}")
    if os.environ.get("LIMEDB_TARGET"):
        click.echo("LIMEDB_TARGET is set, and wins over it", err=True)


@context.command("list", cls=Command, examples="limedb context list -o json")
@output_option(TABLE)
def list_(shape: str) -> None:
    """List the contexts; a star marks the one in use."""
    contexts = load_contexts(os.environ)
    rows = [
        ("*" if name == contexts.used else "", name, known.target)
        for name, known in sorted(contexts.by_name.items())
    ]
    if shape == JSON:
        for _, name, _ in rows:
            echo_json(_fields(contexts, name), None)
    elif shape == RAW:
        click.echo("".join(f"{name}\n" for _, name, _ in rows), nl=False)
    else:
        show_rows(shape, ("", "NAME", "TARGET"), rows)


@context.command(cls=Command, examples="limedb context show prod")
@click.argument("name", metavar="[NAME]", required=False)
@output_option(TABLE, TABLE, JSON)
def show(name: str | None, shape: str) -> None:
    """Show a context; without NAME, the one in use."""
    contexts = load_contexts(os.environ)
    if not (name := name or contexts.used):
        raise click.UsageError("no context is in use: give a NAME")
    fields = _fields(contexts, name)
    if shape == JSON:
        echo_json(fields)
    else:
        show_rows(TABLE, ("", ""), [(title, value) for title, value in fields.items() if value])


@context.command(cls=Command, examples="limedb context remove prod")
@_name
def remove(name: str) -> None:
    """Forget a context. Its files stay where they are."""
    store_contexts(load_contexts(os.environ).without(name), os.environ)
    click.echo(f"{name} is removed")


def _fields(contexts: Contexts, name: str) -> dict[str, object]:
    known = contexts.get(name)
    files = {"ca": known.ca, "cert": known.cert, "key": known.key, "tokenFile": known.token_file}
    return {"name": name, "target": known.target, **files, "used": name == contexts.used}

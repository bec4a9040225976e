"""The root of the command line: the list of commands, and the look of errors.

It owns lazy loading: `limedb --help` and completion import none of the commands.
"""

import importlib
import sys
from typing import IO, Any

import click
from click.shell_completion import CompletionItem

from limedb import __version__
from limedb.cli.codes import FAILED, INTERRUPTED, USAGE, code_of
from limedb.cli.options import Group
from limedb.cli.output import print_error
from limedb.core.visible import visible
from limedb.errors import LimeDBError

_COMMANDS = {
    "serve": ("limedb.cli.serve:serve", "Run a node in the foreground."),
    "cluster": ("limedb.cli.cluster:cluster", "Run a cluster on this machine, with Envoy in front."),
    "demo": ("limedb.cli.demo:demo", "Start a cluster to look at, with sample keys and a mild load."),
    "envoy-config": (
        "limedb.cli.envoy_config:envoy_config",
        "Print an Envoy configuration for some nodes.",
    ),
    "certs": ("limedb.cli.certs:certs", "Make and show the certificates of nodes and clients."),
    "get": ("limedb.cli.kv:get", "Print the values of keys."),
    "ttl": ("limedb.cli.lives:ttl", "Print how long the value of a key still lives."),
    "expire": ("limedb.cli.lives:expire", "Let the value of a key expire."),
    "persist": ("limedb.cli.lives:persist", "Let the value of a key live forever."),
    "set": ("limedb.cli.kv:set_", "Store a value under a key."),
    "cas": ("limedb.cli.kv:cas", "Replace the value of a key, if it is the one given."),
    "del": ("limedb.cli.kv:del_", "Delete a key, or all keys with a prefix."),
    "incr": ("limedb.cli.edits:incr", "Add to a counter."),
    "append": ("limedb.cli.edits:append", "Add to the end of a value."),
    "get-and-set": ("limedb.cli.edits:get_and_set", "Store a value, and print the previous one."),
    "get-and-del": ("limedb.cli.edits:get_and_del", "Delete a key, and print its value."),
    "txn": ("limedb.cli.txn:txn", "Change several keys at once, if all conditions hold."),
    "lock": ("limedb.cli.lock:lock", "Run a command while holding a lock."),
    "lease": ("limedb.cli.lease:lease", "Keep keys in place as long as somebody renews them."),
    "keys": ("limedb.cli.browse:keys", "List keys, of the cluster or of one node."),
    "scan": ("limedb.cli.browse:scan", "List keys with their values."),
    "count": ("limedb.cli.ranges:count", "Count the keys with a prefix."),
    "watch": ("limedb.cli.watch:watch", "Show changes of keys as they happen."),
    "locate": ("limedb.cli.views:locate", "Show which nodes hold a key."),
    "status": ("limedb.cli.views:status", "Show the nodes of the cluster."),
    "ring": ("limedb.cli.views:ring", "Show how much each node owns."),
    "gossip": ("limedb.cli.views:gossip", "Show what a node has heard of the others."),
    "health": ("limedb.cli.kv:health", "Check whether a node takes requests."),
    "top": ("limedb.cli.top:top", "Show the nodes and their rates, live."),
    "shell": ("limedb.cli.shell:shell", "Type commands, over one connection."),
    "tui": ("limedb.cli.tui:tui", "Watch and use a cluster in the terminal."),
    "import": ("limedb.cli.import_:import_", "Store the keys of a file."),
    "export": ("limedb.cli.export:export", "Write keys to a file."),
    "bench": ("limedb.cli.bench:bench", "Put load on a cluster, and measure or verify."),
    "context": ("limedb.cli.context:context", "Name clusters, and choose which one commands ask."),
    "login": ("limedb.cli.login:login", "Store a token, which later commands show."),
    "logout": ("limedb.cli.login:logout", "Forget a stored token."),
    "whoami": ("limedb.cli.users:whoami", "Show who you are to the cluster."),
    "admin": ("limedb.cli.admin:admin", "Show and change the members and users of the cluster; repair it."),
    "repair-topology": (
        "limedb.cli.repair_topology:repair_topology",
        "Give stopped nodes a sound topology if theirs is damaged or too few remain.",
    ),
    "completion": ("limedb.cli.completion:completion", "Print the completion script of a shell."),
}


_ALIASES = {"get-and-delete": "get-and-del", "increment": "incr", "delete": "del"}
"""The names that REST and gRPC use; help names each command once."""


class _UsageError(click.ClickException):
    """A usage error of a command, in one line."""

    exit_code = USAGE

    def __init__(self, error: click.UsageError) -> None:
        words = " ".join(error.format_message().split())
        path = error.ctx.command_path if error.ctx else "limedb"
        super().__init__(f"{visible(words)} ({path} --help)")

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on stderr."""
        print_error(self.message)


class LazyGroup(Group):
    """A group that imports a command when it runs, and turns LimeDBError into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which people need them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or of the one that REST has for it."""
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def short_help_of(self, name: str) -> str:
        """Return the line about a command."""
        return _COMMANDS[name][1]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin with the text, without importing the commands."""
        found = [
            CompletionItem(name, help=text)
            for name, (_, text) in _COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 (click's own type)
    ) -> click.Context:
        """Read the options of the root."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _UsageError(error) from None

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (click's own type)
        """Run the command; its exit codes are those of `limedb.cli.codes`."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _UsageError(error) from None
        except LimeDBError as error:
            print_error(str(error))
            sys.exit(code_of(error))
        except UnicodeEncodeError as error:
            sys.exit(_unwritten(error))
        except OSError as error:
            if error.filename is None:  # the output's
                raise
            print_error(f"{visible(str(error.filename))}: {error.strerror}")
            sys.exit(FAILED)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


def _unwritten(error: UnicodeEncodeError) -> int:
    """Print why a text has no bytes; return the exit code. Surrogates are bytes of an argument."""
    character = error.object[error.start]
    if "\ud800" <= character <= "\udfff":
        print_error(_unread())
        return USAGE
    print_error(
        f"the output's encoding, {error.encoding}, has no {character!a}: use a UTF-8 locale, such as"
        " LC_ALL=C.UTF-8, or set PYTHONIOENCODING=utf-8"
    )
    return FAILED


def _unread() -> str:
    """Why an argument is no text."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        return f"the locale's encoding, {encoding}, can't read an argument: use UTF-8, such as LC_ALL=C.UTF-8"
    return "an argument is not UTF-8: keys are text; store bytes with set --file"


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples="""
    limedb cluster start --detach
    limedb set greeting hello && limedb get greeting
    limedb scan --limit 20
    limedb top
    """,
)
@click.version_option(__version__, prog_name="limedb")
def cli() -> None:
    """Run and use LimeDB, a distributed key-value store.

    Exit codes: 0 done, 1 failed, 2 usage error, 3 no such key, 4 partly done, 5 a value is wrong,
    6 a condition failed.
    """

"""The completions that `limedb shell` offers: commands, options and keys.

It owns the choice and its bounds. It must never fail: where nothing is known, it offers nothing.

Tested in tests/cli/test_shell.py.
"""

import shlex
from collections.abc import Callable, Iterator

import click

from limedb.cli.shell_lines import NOT_HERE, OWN, words_of
from limedb.errors import LimeDBError
from limedb.operator.scans import ScanRange, scan_client
from limedb.tls.target import Target

MOST_KEYS = 50
"""How many keys are offered."""
KEYS_SECONDS = 1.0
"""How long the cluster may take to list them."""
_KEY_ARGUMENTS = ("key", "keys", "prefix")
_KEY_OPTIONS = ("--prefix", "--start", "--end")

KeysOf = Callable[[str], list[str]]


def keys_at(target: Target, prefix: str) -> list[str]:
    """The first keys of a cluster that begin with a text and can be shown; none if it doesn't answer."""
    found: list[str] = []
    try:
        with scan_client(target, KEYS_SECONDS) as node:
            pages = node.scan(ScanRange(prefix), limit=MOST_KEYS, page_size=MOST_KEYS, keys_only=True)
            for page in pages:
                found += [entry.key for entry in page.entries]
    except LimeDBError:
        pass
    return [key for key in found if key.isprintable()]


def candidates(root: click.Group, line: str, keys_of: KeysOf) -> Iterator[tuple[str, str]]:
    """Yield what may stand in place of the last word of a line, each with what it completes, and a few words
    about it.
    """
    try:
        words = words_of(line)
    except ValueError:  # within quotes
        return
    last = "" if not line or line[-1].isspace() or not words else words.pop()
    if not words:
        names = [*(name for name in root.list_commands(_context(root)) if name not in NOT_HERE), *OWN]
        yield from ((name, "") for name in names if name.startswith(last))
        return
    command, rest = _command(root, words)
    if isinstance(command, click.Group):
        yield from ((name, "") for name in command.list_commands(_context(command)) if name.startswith(last))
    elif command is not None and last.startswith("-"):
        yield from _options(command, last)
    elif command is not None and _wants_key(command, rest):
        yield from ((shlex.quote(key), "key") for key in keys_of(last))


def _context(command: click.Command) -> click.Context:
    return click.Context(command)


def _command(root: click.Group, words: list[str]) -> tuple[click.Command | None, list[str]]:
    """The command that words begin with, and the words behind it."""
    found: click.Command | None = root
    for place, word in enumerate(words):
        if not isinstance(found, click.Group):
            return found, words[place:]
        found = found.get_command(_context(found), word)
    return found, []


def _options(command: click.Command, last: str) -> Iterator[tuple[str, str]]:
    for option in command.params:
        if isinstance(option, click.Option):
            names = [*option.opts, *option.secondary_opts]
            yield from ((name, option.help or "") for name in names if name.startswith(max(last, "--")))


def _wants_key(command: click.Command, words: list[str]) -> bool:
    """Whether a key comes next."""
    if words and words[-1].startswith("-"):
        return words[-1] in _KEY_OPTIONS
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    given = sum(not word.startswith("-") for word in words)
    if not arguments or arguments[0].name not in _KEY_ARGUMENTS:
        return False
    return given == 0 or arguments[0].nargs == -1

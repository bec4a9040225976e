"""The lines of `limedb shell`: how they are read and carried out.

It owns the meaning of a line, and ensures that only `exit` closes the shell. It must never read a terminal.

Tested in tests/cli/test_shell.py.
"""

import shlex
import sys
from collections.abc import Callable, Iterable

import click

from limedb.cli.codes import FAILED, INTERRUPTED, OK, USAGE
from limedb.cli.output import print_error
from limedb.cli.sessions import Session
from limedb.core.quorum import Level

NOT_HERE = ("serve", "shell")
"""Commands that a shell does not run: those of a node, and itself."""
OWN = {"help": "List the commands, or show the help of one.", "level": "Show or set the consistency.",
       "exit": "Close the shell, as Ctrl-D does."}  # fmt: skip


class Shell:
    """Carries out lines. root: the command line; about: returns a line about one of its commands."""

    def __init__(self, root: click.Group, session: Session, about: Callable[[str], str]) -> None:
        self.root, self.session, self._about = root, session, about
        self.code = OK
        """That of the last line that failed."""

    def run_all(self, lines: Iterable[str]) -> int:
        """Carry out lines up to `exit`; return the code of the last that failed, 0 if none did."""
        for line in lines:
            if not self.run(line):
                break
        return self.code

    def run(self, line: str) -> bool:
        """Carry out a line; return whether another may follow."""
        try:
            words = words_of(line)
        except ValueError as error:
            print_error(f"{error}: quote text that is to be one word")
            self.code = USAGE
            return True
        if words[:1] in (["exit"], ["quit"]):
            return False
        if words and (code := self._carry_out(words)) != OK:
            self.code = code
        return True

    def _carry_out(self, words: list[str]) -> int:
        try:
            if words[0] == "level":
                return self._set_level(words[1:])
            if words[0] == "help":
                return self._help(words[1:])
            if words[0] in NOT_HERE:
                raise click.UsageError(f"{words[0]} is not a command of the shell")
            return self._command(words)
        except click.ClickException as error:
            print_error(error.format_message())
            return error.exit_code
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            sys.stdout.flush()

    def _command(self, words: list[str]) -> int:
        try:
            self.root.main(words, prog_name="limedb", obj=self.session)
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else FAILED if ended.code else OK

    def _help(self, words: list[str]) -> int:
        if words:
            return self._command([*words, "--help"])
        context = click.Context(self.root, info_name="limedb")
        names = [name for name in self.root.list_commands(context) if name not in NOT_HERE]
        width = max(map(len, (*names, *OWN)))
        for name in names:
            click.echo(f"{name:<{width}}  {self._about(name)}")
        for name, text in OWN.items():
            click.echo(f"{name:<{width}}  {text}")
        return OK

    def _set_level(self, words: list[str]) -> int:
        if len(words) > 1 or (words and words[0].lower() not in {*Level, "default"}):
            raise click.UsageError(f"give one of {', '.join(level.value for level in Level)} and default")
        if words:
            self.session.level = None if words[0].lower() == "default" else Level(words[0].lower())
        click.echo(self.session.level.value if self.session.level else "the node's default")
        return OK


def words_of(line: str) -> list[str]:
    """The words of a line, as a POSIX shell splits it; none for a comment. ValueError: a quote is missing."""
    words = [] if line.lstrip().startswith("#") else shlex.split(line)
    return words[1:] if words[:1] == ["limedb"] else words

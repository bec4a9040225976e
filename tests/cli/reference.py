"""The part of docs/cli.md that is made from --help: `python -m tests.cli.reference` writes it again."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from limedb.cli.app import cli

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
MARK = "## All commands\n"
WIDTH = 100


def commands(group: click.Group = cli, path: str = "limedb") -> Iterator[tuple[str, click.Command]]:
    """Every command and group below a group, with its full name."""
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def help_of(name: str, command: click.Command) -> str:
    """What `--help` tells, at a fixed width."""
    settings = {"help_option_names": ["-h", "--help"]}
    context = click.Context(
        command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH, **settings
    )
    return command.get_help(context)


def reference() -> str:
    """The made part of the page."""
    parts = [f"### {name}\n\n```\n{help_of(name, command)}\n```\n" for name, command in commands()]
    return "\n".join([MARK, *parts])


def main() -> None:
    """Write the page again."""
    head, _, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(head + reference())
    sys.stdout.write(f"{PAGE} is written\n")


if __name__ == "__main__":
    main()

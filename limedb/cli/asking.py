"""Questions on terminals, before a command does something that can't be undone.

It owns the form of the questions. In a script it asks nothing: its author has decided.

Tested in tests/cli/test_asking.py.
"""

import select
import sys

import click

_LOOK_SECONDS = 0.2
"""The time after which Ctrl-C is noticed, even if a thread of gRPC received the signal."""


def agrees(question: str) -> bool:
    """Ask on a terminal, and return whether the answer is yes; elsewhere it is."""
    if not sys.stdin.isatty():
        return True
    click.echo(f"{question} [y/N]: ", nl=False, err=True)
    while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
        pass
    answer = sys.stdin.readline()
    if not answer:  # the end of the input
        click.echo(err=True)
    return answer.strip().lower() in ("y", "yes")

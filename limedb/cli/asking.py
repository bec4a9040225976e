"""Questions before what can't be undone, on terminals.

It owns how they are asked. In a script nobody is asked: who wrote it has decided.

Tested in tests/cli/test_asking.py.
"""

import select
import sys

import click

_LOOK_SECONDS = 0.2
"""After so long Ctrl-C is noticed, even if a thread of gRPC received the signal."""


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

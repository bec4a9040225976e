"""The terminal of `limedb shell`: the prompt, the history, and the list of completions.

It owns the use of prompt_toolkit. It must never run a command.

Tested in tests/cli/test_shell.py.
"""

from collections.abc import Iterator
from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory

from limedb.cli.shell_words import candidates, keys_at
from limedb.core.visible import visible
from limedb.tls.target import Target


class Words(Completer):
    """Completes the last word of a line, by the commands and the keys of a cluster."""

    def __init__(self, root: click.Group, target: Target) -> None:
        self._root, self._target = root, target

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterator[Completion]:
        """Yield the completions at the cursor."""
        line = document.text_before_cursor
        last = "" if not line or line[-1].isspace() else line.split()[-1]
        for word, about in candidates(self._root, line, lambda prefix: keys_at(self._target, prefix)):
            yield Completion(word, -len(last), display=visible(word), display_meta=about)


def typed(root: click.Group, target: Target, history: Path) -> Iterator[str]:
    """Yield the lines that somebody types, until Ctrl-D; Ctrl-C clears one."""
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)),
        completer=Words(root, target),
        complete_in_thread=True,
        complete_while_typing=False,
    )
    while True:
        try:
            yield session.prompt(f"limedb {target}> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return

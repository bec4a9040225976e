"""The state that the commands of one shell share.

It owns only that state: a command finds it as the object of its context.

Tested in tests/cli/test_shell.py.
"""

from dataclasses import dataclass

from limedb.core.quorum import Level
from limedb.tls.target import Target


@dataclass(slots=True)
class Session:
    """The defaults of all commands of a shell, unless a line sets others. level: of consistency; None: the
    node's default.
    """

    target: Target
    level: Level | None = None

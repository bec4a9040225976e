"""What the commands of one shell share.

It owns no more than that: a command finds it as the object of its context.

Tested in tests/cli/test_shell.py.
"""

from dataclasses import dataclass

from limedb.core.quorum import Level
from limedb.tls.target import Target


@dataclass(slots=True)
class Session:
    """What all commands of a shell share, unless a line says otherwise. level: of consistency; None: the
    node's default.
    """

    target: Target
    level: Level | None = None

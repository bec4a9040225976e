"""Whether others may read a file that holds a secret.

It owns that question. It must never read the file.

Tested in tests/tls/test_keyring.py.
"""

import stat
from pathlib import Path


def is_open(mode: int) -> bool:
    """Whether others than a file's owner and group may use it, or the group change it. mode: `st_mode`."""
    return bool(stat.S_IMODE(mode) & (stat.S_IWGRP | stat.S_IRWXO))


def is_open_file(path: Path) -> bool:
    """The same for a file; False: it can't be found."""
    try:
        return is_open(path.stat().st_mode)
    except OSError:
        return False

"""The message of a process that a signal kills at once.

It ensures that there is one. It must never delay the exit: perhaps nobody reads the message.

LMDB maps its file into memory. So a page that can't be read, or is cut off, raises SIGBUS, and a damaged page
may raise SIGSEGV or fail an assertion (SIGABRT): nothing that Python code could catch.
"""

import faulthandler
import os

_STDERR = 2


def leave_last_words() -> None:
    """Make such a signal write its name, and the place where it struck, to stderr."""
    try:  # opened again, since O_NONBLOCK belongs to the open file, which other processes share
        fd = os.open(f"/proc/self/fd/{_STDERR}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # a socket, say
        fd = _STDERR
    faulthandler.enable(fd, all_threads=False)

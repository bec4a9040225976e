"""What a process says when a signal ends it at once.

It owns that something is said. It must never hold up that end: nobody may read what it writes.

LMDB maps its file, so that a page that can't be read, or is cut off, is SIGBUS, and a page that isn't one may
be SIGSEGV or an assertion (SIGABRT): no exception that anybody could catch.
"""

import faulthandler
import os

_STDERR = 2


def leave_last_words() -> None:
    """Let the name of such a signal, and where the process was, stand on stderr at its end."""
    try:  # opened anew, since not to block is a matter of what is open, which others share
        fd = os.open(f"/proc/self/fd/{_STDERR}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # a socket, say
        fd = _STDERR
    faulthandler.enable(fd, all_threads=False)

"""The life of a client: whether it is open, in which event loop, and in which process.

It owns the errors of calls that come too early, too late or from elsewhere: it refuses such a call before
anything is sent. It must never open or close a connection.

gRPC doesn't survive a fork: in the child its threads are gone, and its locks and sockets are the parent's.
Neither an old connection works there nor a new one, and closing one could harm the parent. So a child
touches nothing of a client that the parent opened, and opens none itself. gRPC's own fork handlers restart
threads in the child, which sometimes crash it: they are off, unless the environment demands them or gRPC was
loaded before this module.
"""

import asyncio
import os
import sys
from typing import NoReturn

from limedb.aio.grpc_poller import choose_poller
from limedb.errors import ClientStateError

ASYNC_USE = "use it with `async with`, or await its open()"
SYNC_USE = "use it with `with`, or call its open()"


class Forks:
    """The forks that led to this process. count: how many, since this module was loaded; is_spoiled: a client
    was opened before one of them.
    """

    def __init__(self) -> None:
        self.count, self.is_spoiled, self._is_used = 0, False, False
        os.register_at_fork(after_in_child=self._forked)

    def check_open(self) -> None:
        """Note that this process opens a client. ClientStateError: it can't, since it is such a child."""
        if self.is_spoiled:
            raise ClientStateError(
                "this process was forked from one that had opened a client, where gRPC doesn't work: open the"
                " first client after the fork, or start processes by spawn"
            )
        self._is_used = True

    def _forked(self) -> None:
        self.count, self.is_spoiled = self.count + 1, self._is_used


os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # gRPC reads it when it loads
choose_poller()  # likewise

FORKS = Forks()
"""Of this process: a module's state, since forks ask for no object."""


def check_threads() -> None:
    """ClientStateError: gevent has replaced the threads of this process, and a client would wait forever."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        raise ClientStateError(
            "gevent has replaced the threads of this process, where gRPC's calls get no answer: use threads"
            " instead, as gunicorn's gthread workers or Celery's -P threads"
        )


class Life:
    """The life of one client. use: the words for how to open it."""

    def __init__(self, use: str) -> None:
        self._use, self._forks, self._was_open = use, FORKS.count, False
        self._loop: asyncio.AbstractEventLoop | None = None

    def __reduce__(self) -> NoReturn:
        """ClientStateError: a client can't be copied, nor pickled for another process."""
        raise ClientStateError(
            "a client can't be copied or sent to another process: make it in a module, and open it in each"
            " process by a function of that module"
        )

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Become open in a loop. ClientStateError: it is open in another one, or can't be open in this
        process.
        """
        FORKS.check_open()
        check_threads()
        if self._loop is not None and not self._loop.is_closed():
            raise self.error()
        self._loop, self._forks, self._was_open = loop, FORKS.count, True

    def check_block(self) -> None:
        """ClientStateError: it is open, and the end of a block would close it for its other users."""
        if not self.is_forked and self._loop is not None and not self._loop.is_closed():
            raise ClientStateError(
                "the client is open already, and the end of this block would close it: use it without one, or"
                " connect another client"
            )

    def end(self) -> asyncio.AbstractEventLoop | None:
        """Become closed; return the loop in which it was open, if it was."""
        loop, self._loop = self._loop, None
        return loop

    @property
    def is_forked(self) -> bool:
        """Whether it was opened by a process from which this one was forked."""
        return self._forks != FORKS.count and self._was_open

    @property
    def is_abandoned(self) -> bool:
        """Whether it was never closed, and its loop is."""
        return self._loop is not None and self._loop.is_closed()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it is open in. ClientStateError: there is none."""
        if self._loop is None:
            raise self.error()
        return self._loop

    def is_here(self) -> bool:
        """Whether it is open in the running loop of this process."""
        return self._loop is asyncio._get_running_loop() and not self.is_forked

    def check(self) -> None:
        """ClientStateError: it isn't open in the running loop of this process."""
        loop = self._loop
        if loop is None or loop is not asyncio._get_running_loop() or self._forks != FORKS.count:
            raise self.error()

    def error(self) -> ClientStateError:
        """Return the error of a call that can't be sent from here now."""
        if self.is_forked:
            return ClientStateError(
                "the client was opened before this process was forked: open it in the child only, after the"
                " fork, or start processes by spawn; nothing was sent"
            )
        if self._loop is not None:
            return ClientStateError(
                "the client was opened in another event loop: connect another one in this loop, or use"
                " connect_sync in all threads; nothing was sent"
            )
        state = "is closed" if self._was_open else "is not open yet"
        return ClientStateError(f"the client {state}: {self._use}; nothing was sent")

"""Sockets of this process that listen."""

import os
import socket
import stat
from contextlib import closing, suppress
from struct import Struct

_TCP_INFO = Struct("=28xI")
"""linux/tcp.h: of a socket that listens, tcpi_sacked, 28 bytes in, is the length of its queue."""


def backlog_of(listening: socket.socket) -> int:
    """How many connections the kernel holds for a socket until they are accepted."""
    info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    return int(_TCP_INFO.unpack(info)[0])


def backlogs_at(port: int) -> list[int]:
    """The same of each socket of this process that listens at a port."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with closing(socket.socket(fileno=os.dup(int(name)))) as copy:
                listens = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if listens and copy.getsockname()[1] == port:
                    found.append(backlog_of(copy))
    return found

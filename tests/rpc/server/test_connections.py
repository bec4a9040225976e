"""The most connections that a node keeps, whatever number of files it may open, and the queues before it."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from limedb.rpc.server.connections import BACKLOG, Connections, shorten_queues
from tests.support.listening import backlog_of

CLIENTS, MOST = 5, 3


class Served:
    """A port with some connections. accepted: the server's ends, in the order of the clients."""

    def __init__(self, stack: ExitStack) -> None:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=CLIENTS))
        self.port = listener.getsockname()[1]
        self.clients: list[socket.socket] = []
        self.accepted: list[socket.socket] = []
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 10))
            self.clients.append(client)
            self.accepted.append(stack.enter_context(listener.accept()[0]))

    def send(self, number: int) -> None:
        """Let a client send something, which arrives."""
        self.clients[number].sendall(b"x" * 1000)
        assert self.accepted[number].recv(1)


@pytest.fixture
def served() -> Iterator[Served]:
    with ExitStack() as stack:
        yield Served(stack)


def test_beyond_the_most_those_end_that_sent_least_and_of_these_the_newest(served: Served) -> None:
    served.send(3)
    served.send(4)
    assert Connections({served.port}, most=MOST).end_surplus() == CLIENTS - MOST
    assert [_is_open(client) for client in served.clients] == [True, False, False, True, True]


def test_none_ends_while_there_is_room(served: Served) -> None:
    assert Connections({served.port}, most=CLIENTS).end_surplus() == 0
    assert Connections({served.port}).end_surplus() == 0
    assert Connections({1}, most=1).end_surplus() == 0  # others' connections don't count
    assert all(map(_is_open, served.clients))


def test_of_the_ports_that_are_named_the_queues_become_short() -> None:
    with ExitStack() as stack:
        long, other = (
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1000)) for _ in range(2)
        )
        client = stack.enter_context(socket.create_connection(long.getsockname(), 10))
        assert shorten_queues({long.getsockname()[1], client.getsockname()[1]}) == 1
        assert (backlog_of(long), backlog_of(other)) == (BACKLOG, 1000)


def _is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True

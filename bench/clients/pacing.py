"""Latency under a load that doesn't wait for answers: requests come at random moments, at a given rate.

A request's latency counts from the moment at which it was due, even if it could not be sent then, so that a
stall of the server shows in the figures of all requests meanwhile.
"""

import random
import select
import socket
import time
from collections.abc import Sequence

from bench.clients.wires import Wire

_DRAIN = 5.0  # seconds for the last answers


def latencies(address: str, wire: Wire, rate: float, seconds: float) -> list[float]:
    """Return the microseconds of each request, sorted. rate: of a Poisson process, requests a second."""
    due = _arrivals(rate, seconds)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(wire.opening())
        taken = _run(connection, wire, due)
    warm = len(taken) // 5
    return sorted(1e6 * latency for latency in taken[warm:])


def _arrivals(rate: float, seconds: float) -> list[float]:
    rng, moments, now = random.Random(3), [], 0.0
    while now < seconds:
        moments.append(now)
        now += rng.expovariate(rate)
    return moments


def _run(connection: socket.socket, wire: Wire, due: Sequence[float]) -> list[float]:
    """Return the seconds of each request, in the order of their answers."""
    clock = time.perf_counter
    start, sent, taken = clock(), 0, list[float]()
    while len(taken) < len(due):
        now = clock() - start
        if now > due[-1] + _DRAIN:
            raise SystemExit(f"{len(due) - len(taken)} of {len(due)} requests have no answer")
        out = b""
        while sent < len(due) and due[sent] <= now and wire.has_room():
            out += wire.request()
            sent += 1
        if out:
            connection.sendall(out)
        waits = sent < len(due) and wire.has_room()
        pause = max(0.0, due[sent] - (clock() - start)) if waits else _DRAIN
        if select.select([connection], [], [], pause)[0]:
            done, reply = wire.receive(connection.recv(1 << 18))
            now = clock() - start
            taken += [now - due[number] for number in done]
            if reply:
                connection.sendall(reply)
    return taken


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which that share of the ordered values lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

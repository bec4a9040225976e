"""Servers that are measured side by side, in rounds: their rates, and the processor time of a call, which is
steadier on a busy machine.
"""

from collections.abc import Sequence
from statistics import median

from bench.load import grpc_rate
from bench.processor import micros_of_one, used_seconds
from bench.rounds import note


class Line:
    """Running servers. scheme: https for TLS. token: what clients show. rates: calls/s by round. micros:
    processor time of all of them by call, by round.
    """

    def __init__(
        self, name: str, pids: Sequence[int], port: int, scheme: str = "http", token: str | None = None
    ) -> None:
        self.name, self._pids, self._port, self._scheme, self._token = name, pids, port, scheme, token
        self.rates: list[float] = []
        self.micros: list[float] = []

    def measure(self, method: str, message: bytes, seconds: float, answer: int) -> None:
        """Call a method for that long. answer: the bytes of a good answer's message."""
        before = used_seconds(self._pids)
        rate = grpc_rate(
            self._port, method, message, seconds, answer=answer, scheme=self._scheme, token=self._token
        )
        self.rates.append(rate)
        self.micros.append(micros_of_one(used_seconds(self._pids) - before, rate, seconds))


def measure_side_by_side(
    lines: Sequence[Line], rounds: int, method: str, message: bytes, seconds: float, answer: int
) -> None:
    for number in range(rounds):
        note(f"{method}, round {number + 1} of {rounds}")
        for line in lines:
            line.measure(method, message, seconds, answer)


def table_of(what: str, lines: Sequence[Line]) -> str:
    """Return the medians; ratios are to the first line."""
    first = lines[0]
    rows = [
        f"| {line.name} | {median(line.rates):,.0f} | {median(line.rates) / median(first.rates):.2f}"
        f" | {median(line.micros):.0f} µs | {median(line.micros) / median(first.micros):.2f} |"
        for line in lines
    ]
    head = f"| {what} | calls/s | to the first | processor time a call | to the first |"
    return "\n".join([head, "|---|---:|---:|---:|---:|", *rows])

"""Servers that are measured side by side, in rounds: their rates, and the processor time of a call, which is
steadier on a busy machine.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.load import grpc_rate
from bench.rounds import note

_TICKS = os.sysconf("SC_CLK_TCK")


class Line:
    """Running servers. scheme: https for TLS. rates: calls/s by round. micros: processor time of all of them
    by call, by round.
    """

    def __init__(self, name: str, pids: Sequence[int], port: int, scheme: str = "http") -> None:
        self.name, self._pids, self._port, self._scheme = name, pids, port, scheme
        self.rates: list[float] = []
        self.micros: list[float] = []

    def measure(self, method: str, message: bytes, seconds: float, answer: int) -> None:
        """Call a method for that long. answer: the bytes of a good answer's message."""
        before = self._processor_seconds()
        rate = grpc_rate(self._port, method, message, seconds, answer=answer, scheme=self._scheme)
        used = self._processor_seconds() - before
        self.rates.append(rate)
        self.micros.append(1e6 * used / (rate * (seconds + min(1.0, seconds / 4))))  # h2load's warm-up too

    def _processor_seconds(self) -> float:
        """Return the time that the processes have had a processor."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._pids]
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / _TICKS


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

"""The listeners of calls.

It owns the interface between the server, the links to peers, and telemetry. It must never contain code that
does anything.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol, TypeAlias, TypeVar

C = TypeVar("C")

Answer: TypeAlias = Callable[[Any, Any], Awaitable[Any]]
"""Answers a call, given the messages and the context from the wire."""


class Recorder(Protocol):
    """Counts finished requests."""

    def record(self, method: str, code: str, seconds: float) -> None:
        """Count one request: its method as Service/Method, its code's name, its duration."""


class CallTracing(Protocol):
    """Makes spans of calls: of a share of those that the node answers, of all that fail or are slow, and of
    the calls to peers that belong to a sampled one.
    """

    @property
    def is_sampled(self) -> bool:
        """Whether the running code belongs to a call that has a span."""

    def answering(self, method: str, answer: Answer) -> Answer:
        """The same answer, within a span if the call is sampled. method: /package.Service/Method."""

    def recorder(self, service: str, streams: Collection[str], recorder: Recorder | None) -> Recorder | None:
        """The same recorder of a service's finished calls, which also gives those that failed or were slow
        their spans. service: package.Service. streams: its methods that answer with a stream.
        """

    def calling(self, channel: C) -> C:
        """The same channel, whose calls have spans. Use it where the running code is sampled."""

"""Calls as gRPC shows them, and a clock that a test moves."""


class HandClock:
    now = 100.0

    def wall_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    def elapsed(self) -> float:
        return self.now


class Caller:
    def __init__(self, peer: str, *headers: tuple[str, str]) -> None:
        self._peer, self._headers = peer, headers

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> object:
        return self._headers

    def time_remaining(self) -> float | None:
        return 0.0

"""Calls as gRPC shows them."""


class Caller:
    def __init__(self, peer: str, *headers: tuple[str, str]) -> None:
        self._peer, self._headers = peer, headers

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> object:
        return self._headers

    def time_remaining(self) -> float | None:
        return 0.0

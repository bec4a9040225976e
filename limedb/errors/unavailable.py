"""Errors of calls that can't be carried out now, or whose outcome is unknown.

Tested in tests/errors/test_copies.py.
"""

from typing import Any

from limedb.errors.base import LimeDBError, brief


class UnavailableError(LimeDBError, nothing_written=True, may_pass=True):
    """It can't be done now; nothing was written. It may work later, or on another node."""


class ReplicaUnreachableError(UnavailableError):
    """A replica can't be reached; nothing was sent to it. Attributes: node_url, why."""

    def __init__(self, node_url: str, why: str) -> None:
        super().__init__(f"node {node_url} is unreachable: {why}; try again when it is back")
        self.node_url, self.why = node_url, why


class LevelUnreachableError(UnavailableError):
    """Too few replicas are alive for the level: nothing was written.

    Attributes: key, level (its name), needed, live, replicas (counts), missing (node URLs), reasons (by URL).
    """

    def __init__(
        self, key: str, level: str, needed: int, live: int, replicas: int, missing: "dict[str, str]"
    ) -> None:
        why = "; ".join(f"{url}: {reason}" for url, reason in missing.items())
        super().__init__(
            f"key {brief(key)} needs {needed} of {replicas} replicas at level {level}, {live} can be reached"
            f"{f' ({why})' if why else ''}; nothing was written, try again when they are back"
        )
        self.key, self.level, self.needed, self.live, self.replicas = key, level, needed, live, replicas
        self.missing = missing


class RangeUnreachableError(UnavailableError):
    """Too few owners of some range of keys can be reached for the level.

    Attributes: what (a scan, a watch), level (its name), missing (why, by node URL).
    """

    def __init__(self, what: str, level: str, missing: "dict[str, str]") -> None:
        why = "; ".join(f"{url}: {reason}" for url, reason in sorted(missing.items()))
        super().__init__(
            f"{what} at level {level} needs more owners of some keys than can answer"
            f"{f' ({why})' if why else ''}; continue when they can, after the last key that was returned"
        )
        self.what, self.level, self.missing = what, level, missing


class OutcomeUnknownError(UnavailableError, nothing_written=False):
    """A write was sent and too few replicas answered: it may take effect, now or later, or not.

    Attributes: key, needed and acked (replicas), missing (why, by node URL).
    """

    def __init__(self, key: str, needed: int, acked: int, missing: "dict[str, str]") -> None:
        super().__init__(self._text(key, needed, acked, missing))
        self.key, self.needed, self.acked, self.missing = key, needed, acked, missing

    def _text(self, key: str, needed: int, acked: int, missing: "dict[str, str]") -> str:
        why = "; ".join(f"{url}: {reason}" for url, reason in missing.items())
        return (
            f"the write of key {brief(key)} was sent but its outcome is unknown: {acked} of {needed} needed"
            f" replicas have it ({why}); it may still take effect: read the key before you write it again (a"
            " write with an idempotency key may simply be sent again)"
        )


class AnswerForgottenError(OutcomeUnknownError, may_pass=False):
    """An edit that was sent again took effect earlier, and no replica remembers its answer.

    Attributes: key, needed and acked (replicas), missing (empty).
    """

    def _text(self, key: str, needed: int, acked: int, missing: "dict[str, str]") -> str:
        return (
            f"the write of key {brief(key)} took effect, once, but its answer is forgotten, since it is"
            " large, or others have written the key since; sending it again changes nothing: read the key"
        )


class ContendedError(UnavailableError, nothing_written=False):
    """Others kept writing newer versions of the key. Attributes: key, attempts."""

    def __init__(self, key: str, attempts: int) -> None:
        super().__init__(f"key {brief(key)} was overtaken by newer writes {attempts} times; try again")
        self.key, self.attempts = key, attempts


class WrongNodeError(UnavailableError):
    """A peer's call is meant for another node, whose address leads to this one. Attribute: node_url, of this
    one.
    """

    def __init__(self, node_url: str, meant: str) -> None:
        super().__init__(f"{node_url} answers at the address of {meant!r}: it leads to another node")
        self.node_url = node_url


class NotMemberError(UnavailableError):
    """The node belongs to no cluster yet, or not to the caller's; the text names the case. Attribute:
    cluster_id, the node's; empty: it belongs to none.
    """

    def __init__(self, text: str, cluster_id: str) -> None:
        super().__init__(text)
        self.cluster_id = cluster_id


class WrongClusterError(UnavailableError, may_pass=False):
    """A client's call is meant for another cluster than the node's. The client library raises it once no
    address leads to its own cluster: retries don't help. Attributes: node_url, cluster_id (the node's; empty:
    it belongs to none), asked.
    """

    def __init__(self, node_url: str, cluster_id: str, asked: str) -> None:
        where = f"cluster {cluster_id}" if cluster_id else "no cluster"
        super().__init__(
            f"{node_url} belongs to {where}, the call is meant for cluster {asked}: the address leads to"
            " another cluster, or a new cluster replaced it: then connect again; nothing was written"
        )
        self.node_url, self.cluster_id, self.asked = node_url, cluster_id, asked


class ClientStateError(UnavailableError, may_pass=False):
    """The client isn't open here: it is not open yet, or closed, or was opened in another event loop or
    before a fork. Nothing was sent; the text explains what to do.
    """


class StaleEpochError(UnavailableError):
    """The replica knows a newer topology than the caller. Attribute: topology (core.topology.Topology)."""

    def __init__(self, topology: Any) -> None:  # noqa: ANN401 (this module is below the topology's)
        super().__init__(f"the topology has moved on to epoch {topology.epoch}; start over with it")
        self.topology = topology


SET_CLOCKS = "(MAX_CLOCK_SKEW): set the nodes' clocks right (NTP)"


class ClockSkewError(UnavailableError):
    """A version or a clock is further ahead than MAX_CLOCK_SKEW. Attributes: ahead and limit, in ms."""

    def __init__(self, what: str, ahead: int, limit: int, advice: str = SET_CLOCKS) -> None:
        super().__init__(f"{what} is {ahead} ms ahead of the clock, more than {limit} ms {advice}")
        self.ahead, self.limit = ahead, limit


class TopologyChangeError(LimeDBError, nothing_written=True):
    """The topology can't be changed in this way now; the text has the reason."""


class RequestTimeoutError(LimeDBError, may_pass=True):
    """The deadline passed. Attributes: seconds (the length of the wait), waited_for."""

    def __init__(self, seconds: float, waited_for: str) -> None:
        super().__init__(f"no answer within {seconds:.3g} s from {waited_for}")
        self.seconds, self.waited_for = seconds, waited_for


class WatchGapError(LimeDBError):
    """The nodes no longer know some changes that a watch should report. Attribute: oldest, the version from
    which on they know all changes.
    """

    def __init__(self, oldest: int, why: str = "") -> None:
        why = why or "nodes were restarted or keep no older ones, or this watch reads too slowly"
        super().__init__(
            f"there is a gap in the changes: they are certainly known from version {oldest} on ({why}); watch"
            " from now on and, once that watch has begun, scan the keys"
        )
        self.oldest = oldest

"""What a node has heard of the others, and the gossip that spreads it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Digest:
    """How new one's knowledge of a node is. A node is ordered by (generation, heartbeat)."""

    url: str
    generation: int
    heartbeat: int


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node tells of itself.

    url: its name. generation: start of its process, ms since 1970 (0: only its name is known).
    heartbeat: its own gossip rounds since then. address: host:port that peers dial. zone, version: as set
    and as run, empty when not known. keys: how many keys it held.
    """

    url: str
    generation: int = 0
    heartbeat: int = 0
    address: str = ""
    zone: str = ""
    version: str = ""
    keys: int = 0


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to a SYN: states that its sender lacks, and digests of those that the receiver wants."""

    updates: tuple[NodeState, ...]
    requests: tuple[Digest, ...]

"""The receipt of a write, as callers get it."""

from typing import NamedTuple


class Receipt(NamedTuple):
    """The receipt of a write. version: the version under which it is stored. epoch: that of the topology
    which chose the replicas. acked of replicas had it when the answer was sent.
    """

    version: int
    epoch: int
    acked: int
    replicas: int

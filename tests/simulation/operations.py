"""What a simulated node remembers of operations: on its disk, so that it outlives a crash.

It owns the note; a state is on disk as soon as it is changed, for no answer leaves before.
"""

from limedb.core.topology import Fence
from limedb.storage.memory.operations import MemoryOperations


class SimOperations(MemoryOperations):
    """As ports.OperationLog."""

    def __init__(self) -> None:
        super().__init__()
        self._noted: tuple[Fence, int] | None = None

    def noted(self, fence: Fence) -> int | None:
        return self._noted[1] if self._noted is not None and self._noted[0] == fence else None

    def note(self, fence: Fence, since_ms: int) -> None:
        self._noted = (fence, since_ms)

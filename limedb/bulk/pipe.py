"""A pipe or a terminal that is read until its end, or until somebody says stop.

It owns the waiting for what comes. It must never know what that is.
"""

import io
import os
import select


class Pipe(io.RawIOBase):
    """What comes through a file that was opened without a buffer."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._heard, self._told = os.pipe()
        self._poll = select.poll()
        self._poll.register(file, select.POLLIN)
        self._poll.register(self._heard, select.POLLIN)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        """Wait for some bytes; none: it has ended, or was stopped."""
        if any(ready == self._heard for ready, _ in self._poll.poll()):
            return 0
        return os.readv(self._file.fileno(), [buffer])

    def stop(self) -> None:
        """End it, also for a thread that waits; from any thread."""
        os.write(self._told, b"\0")

    def close(self) -> None:
        """Close all."""
        if not self.closed:
            self._file.close()
            os.close(self._heard)
            os.close(self._told)
        super().close()

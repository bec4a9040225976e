"""A pipe or a terminal that is read until its end, or until somebody calls `stop`.

It owns the waiting for input. It must never interpret the input.

Tested in tests/bulk/test_chunks.py.
"""

import io
import os
import select


class Pipe(io.RawIOBase):
    """The input of a file that was opened without a buffer."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._stopped, self._stopper = os.pipe()
        self._poll = select.poll()
        self._poll.register(file, select.POLLIN)
        self._poll.register(self._stopped, select.POLLIN)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        """Wait for some bytes; 0: the input has ended, or `stop` was called."""
        if any(ready == self._stopped for ready, _ in self._poll.poll()):
            return 0
        return os.readv(self._file.fileno(), [buffer])

    def stop(self) -> None:
        """End the input, even for a thread that waits for it; any thread may call this."""
        os.write(self._stopper, b"\0")

    def close(self) -> None:
        """Close the file and the pipe."""
        if not self.closed:
            self._file.close()
            os.close(self._stopped)
            os.close(self._stopper)
        super().close()

"""`python -m limedb` and the console script `limedb`.

It owns how the process of a command ends: at once, when the command is done and its output written. The
interpreter's own way out can hang without end: it collects a finished call of gRPC whose lock is held by a
thread that no longer runs (one export in 40 on a busy machine, with grpcio 1.85).

Tested in tests/cli/test_exit.py.
"""

import errno
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn, TextIO, cast

from limedb.cli.app import cli
from limedb.cli.codes import FAILED, OK
from limedb.cli.output import print_error
from limedb.tls.version import log_no_handshakes

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What fails a write to stdout that leads to a file; click ends a command whose pipe nobody reads."""


def main() -> NoReturn:
    """Run the command line, and end the process."""
    log_no_handshakes()
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), cast(TextIO, _Unfailing(sys.stderr or _nowhere()))
    code = FAILED
    try:
        cli()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else FAILED
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None:
            print_error(f"the output can't be written: {error.strerror}")
        else:
            sys.excepthook(type(error), error, error.__traceback__)
    os._exit(_flushed(code))


class _Unfailing:
    """A stream for what a command says besides its output: it may be lost, and the command runs on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (the stream's own)
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            self._stream.flush()


def _nowhere() -> TextIO:
    """Return what stands for a stream that a shell closed (`>&-`)."""
    return open(os.devnull, "w")


def _flushed(code: int) -> int:
    """Return the exit code, when what was printed is written; a command whose output isn't has failed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if code == OK:
            print_error(f"the output can't be written: {error.strerror}")
            code = FAILED
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main()

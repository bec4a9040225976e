"""The exit codes that scripts may rely on. docs/cli.md lists them."""

from limedb.errors import ConfigError, InvalidRequestError, KeyNotFoundError, LimeDBError, RemoteError

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
IN_PART = 4
"""Some of many lines, keys or requests failed; the others were carried out."""
DIFFERENT = 5
"""`bench verify` found a value that is not what was written."""
INTERRUPTED = 130
"""Ctrl-C, as shells have it."""


def code_of(error: LimeDBError) -> int:
    """The exit code of an error."""
    if isinstance(error, RemoteError) and error.code == "INVALID_ARGUMENT":
        return USAGE
    if isinstance(error, ConfigError | InvalidRequestError):
        return USAGE
    if error.reason == KeyNotFoundError.reason:
        return NOT_FOUND
    return FAILED

"""The exit codes, on which scripts may rely. docs/cli.md lists them.

Tested in tests/cli/test_docs.py and tests/cli/test_commands.py.
"""

from limedb.errors import (
    ConditionFailedError,
    ConfigError,
    ExposedError,
    InvalidRequestError,
    KeyNotFoundError,
    LeaseNotFoundError,
    LimeDBError,
    RemoteError,
)

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
IN_PART = 4
"""Some of many lines, keys or requests failed; the others were carried out."""
DIFFERENT = 5
"""`bench verify` found a value other than the one that was written."""
CONDITION_FAILED = 6
"""The key doesn't meet the condition of the write; nothing was written."""
LOCKED = 75
"""`lock`: somebody else has the lock, or it was lost. It is EX_TEMPFAIL of sysexits.h: try again later."""
NOT_EXECUTABLE, COMMAND_NOT_FOUND = 126, 127
"""`lock` could not run its command, as in shells."""
INTERRUPTED = 130
"""Ctrl-C, as in shells."""


def code_of(error: LimeDBError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, RemoteError) and error.code == "INVALID_ARGUMENT":
        return USAGE
    if isinstance(error, ConfigError | ExposedError | InvalidRequestError):
        return USAGE
    if error.reason in (KeyNotFoundError.reason, LeaseNotFoundError.reason):
        return NOT_FOUND
    if error.reason == ConditionFailedError.reason:
        return CONDITION_FAILED
    return FAILED

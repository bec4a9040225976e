"""Errors that end a start, a command, or the import of one line, on the machine where it runs.

Tested in tests/errors/test_copies.py.
"""

from collections.abc import Collection

from limedb.errors.base import LimeDBError


class ConfigError(LimeDBError):
    """A setting that can't be used. Attributes: setting, value, allowed (a phrase)."""

    def __init__(self, setting: str, value: object, allowed: str) -> None:
        super().__init__(f"{setting}={value}: must be {allowed}")
        self.setting, self.value, self.allowed = setting, value, allowed


class ExposedError(LimeDBError):
    """A process would listen beyond loopback without TLS and authentication; the text has the commands that
    set them up.
    """


class NameTakenError(LimeDBError):
    """A live process answers under the node's name. Attributes: node_url, address (where it answers), node_id
    (empty if unknown).
    """

    def __init__(self, node_url: str, address: str, node_id: str) -> None:
        super().__init__(
            f"{node_url} is the name of a node that runs already: it answers at {address}"
            f" (node_id {node_id or 'unknown'}); stop that one first, or give this one its own NODE_URL"
        )
        self.node_url, self.address, self.node_id = node_url, address, node_id


class LaunchError(LimeDBError):
    """A local cluster that can't be started, found or stopped; the text has advice."""


class NotReadyError(LaunchError):
    """A cluster isn't ready; the text has a line for each node that is not, with its reason. serving: names
    of nodes that take requests nevertheless; empty if Envoy, through which requests come, has exited.
    """

    def __init__(self, text: str, serving: Collection[str]) -> None:
        super().__init__(text)
        self.serving = serving


class BulkError(LimeDBError):
    """A file that can't be read or written any further; the text has the place, and advice."""


class BadItemError(LimeDBError):
    """One line or entry of a file that isn't a key with a value; others may be."""

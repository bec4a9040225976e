"""A running Go LimeDB as the source of an import.

It owns what `import_.py` asks of a source besides its lines. It must never store keys.

Tested in tests/cli/test_go_import.py.
"""

from pathlib import Path
from typing import Any

import click
from typing_extensions import override

from limedb.bulk.go_cluster import GoCluster
from limedb.bulk.importer import Importer
from limedb.cli.bars import Say

SCHEMES = ("http://", "https://")


class FileOrUrl(click.Path):
    """A file's path; or a URL, which a path would spoil: it makes one slash of two."""

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if is_url(value) else super().convert(value, param, ctx)


def is_url(value: object) -> bool:
    """Whether an argument names a Go LimeDB that runs, rather than a file."""
    return isinstance(value, str) and value.startswith(SCHEMES)


class ClusterSource:
    """As `import_source.Source`, of a cluster's nodes. It has no progress to keep: pages move when clients
    write, so a place in them has no meaning later.
    """

    unit = "key"
    advice = "run it again: it begins anew"

    def __init__(self, urls: str, say: Say) -> None:
        """Find the nodes. BulkError: none answers."""
        self.path = Path(urls)  # a name
        self._cluster, self._say = GoCluster(urls), say
        self._cluster.find()
        self.size: int | None = self._cluster.total
        self.lines = self._cluster.read()
        names = ", ".join(node.name for node in self._cluster.nodes)
        say(f"reading {self.size:,} keys, copies included, of {len(self._cluster.nodes)} nodes: {names}")

    @property
    def is_whole(self) -> bool:
        """Whether every node answered to the end."""
        return not self._cluster.silent

    def position(self) -> int:
        """How much of `size` was read."""
        return self._cluster.read_count

    def save(self, importer: Importer) -> None:
        """Keep nothing."""

    def stop(self) -> None:
        """Read no further."""
        self._cluster.stop()

    def forget(self) -> None:
        """Name the nodes whose keys are missing."""
        for name, reason in self._cluster.silent.items():
            self._say(f"keys of node {name} are missing, unless another node has them too: {reason}")

"""A running Go LimeDB as the source of an import.

It owns everything that `import_.py` needs of a source besides its lines. It must never store keys.

Tested in tests/cli/test_go_import.py.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from typing_extensions import override

from limedb.bulk.go_cluster import GoCluster
from limedb.bulk.importer import Importer
from limedb.cli.bars import Say
from limedb.errors import BadItemError, LimeDBError

_SCHEME = re.compile("https?://", re.IGNORECASE)
_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):[0-9]{1,5}(/.*)?")


class FileOrUrl(click.Path):
    """A file's path; or a URL, which a path would spoil by merging its two slashes."""

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or not is_url(value):
            return super().convert(value, param, ctx)
        urls = [url.strip() for url in value.split(",") if url.strip()]
        for url in urls:
            if not _may_be_asked(url):
                self.fail(f"{url!r:.200} is not a URL of a node, such as http://node1:8484", param, ctx)
        return ",".join(urls)


def _may_be_asked(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_place = bool(parts.hostname) and parts.port != 0  # a port that is no number raises
    except ValueError:
        return False
    return is_place and url.isascii() and url.isprintable() and not set(" ?#@") & set(url)


def is_url(text: str) -> bool:
    """Whether an argument names a Go LimeDB that runs, rather than a file. BadParameter: it seems to name one
    without the scheme.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    urls = [bool(_SCHEME.match(part)) for part in parts]
    for part, has_scheme in zip(parts, urls, strict=True):
        if has_scheme or not (any(urls) or _HOST_PORT.fullmatch(part)) or Path(text).exists():
            continue
        raise click.BadParameter(f"there is no file {part}; for a Go LimeDB that runs, write http://{part}")
    return any(urls)


class ClusterSource:
    """As `import_source.Source`, of a cluster's nodes. It has no progress to keep: pages move when clients
    write, so a place in them has no meaning later.
    """

    unit = "key"
    advice = "run it again: it starts over"

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

    def described(self, number: int, error: LimeDBError) -> str:
        """The report of a bad key: by its place only if the error doesn't name it."""
        return str(error) if isinstance(error, BadItemError) else f"key {number}: {error}"

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

"""The files of the web dashboard's build, for browsers.

It owns the choice of readable files, their types and how long browsers may cache them. It must never follow a
path: it reads only files that it finds by walking through the folder.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from limedb.errors import AssetNotFoundError

BUILD = Path(__file__).parents[2] / "static"
"""The place where `make web` puts the build: in the package, so that it is the same in a checkout and in a
wheel.
"""

INDEX = "index.html"
HASHED = "assets/"
"""Files in this folder have a hash of their content in their names."""
FOREVER = "public, max-age=31536000, immutable"
EACH_TIME = "no-cache"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}

_UNBUILT = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>LimeDB</title>
<h1>LimeDB runs; its dashboard was not built</h1>
<p>In the checkout, with Node.js 20.19 or newer, run <code>make web</code>, then reload this page.</p>
<p>REST is at <code>/api/v1/</code>: try <a href="/api/v1/cluster/state">/api/v1/cluster/state</a>.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    content_type: str
    cache: str
    """The value of Cache-Control."""

    @property
    def tag(self) -> str:
        """A weak ETag, since Envoy may compress the content."""
        return f'W/"{hashlib.sha256(self.content).hexdigest()[:32]}"'


def read_asset(build: Path, path: str) -> Asset:
    """The file at a path relative to the build; a path without a dot is a page, which is index.html.

    AssetNotFoundError: there is none. It blocks for some small reads.
    """
    name = path if "." in path.rpartition("/")[2] else INDEX
    file = _files(build).get(name)
    if file is not None:
        cache = FOREVER if name.startswith(HASHED) else EACH_TIME
        return Asset(file.read_bytes(), _TYPES.get(file.suffix, "application/octet-stream"), cache)
    if name == INDEX:
        return Asset(_UNBUILT, _TYPES[".html"], EACH_TIME)
    raise AssetNotFoundError(path)


def _files(build: Path) -> dict[str, Path]:
    """All files by name, listed at each request, so that a new build is visible at once."""
    return {file.relative_to(build).as_posix(): file for file in build.rglob("*") if file.is_file()}

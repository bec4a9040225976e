"""The files of a person's settings: what `limedb login` and `limedb context` keep.

It owns where they are, and that nobody else can read them. It must never know what is in them.

Tested in tests/operator/test_contexts.py.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limedb.errors import ConfigError


def settings_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the files."""
    base = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".config"
    return Path(base) / "limedb"


def read_private(what: str, path: Path) -> Any:  # noqa: ANN401 (JSON)
    """The content of a file of JSON; None: there is no such file. what: its name in errors. ConfigError:
    others can read it. ValueError, RecursionError: it is damaged.
    """
    try:
        mode, content = path.stat().st_mode, json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(what, path, f"a file that can be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(what, path, f"a file that others can't read: chmod 600 {path}")
    return content


def write_private(path: Path, content: object) -> None:
    """Replace a file as a whole. OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    fresh.replace(path)

"""The secrets of a local cluster, and the token that the launcher shows to its nodes.

It owns their files, in the cluster's folder. It must never put a secret into a command line, an
environment or cluster.json: these have the files' names.

Tested in tests/launch/test_secrets.py.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from limedb.access.tokens import new_secret, write_secret
from limedb.operator.tokens import VARIABLE

CLUSTER, ROOT = "cluster.secret", "root.token"


def auth_settings(folder: Path) -> dict[str, str]:
    """The settings of nodes that ask for tokens; their files are made unless they are there."""
    files = {"CLUSTER_SECRET_FILE": folder / CLUSTER, "ROOT_TOKEN_FILE": folder / ROOT}
    folder.mkdir(parents=True, exist_ok=True)
    for path in files.values():
        if not path.exists():
            write_secret(path, new_secret())
    return {"AUTH": "required", **{name: str(path.absolute()) for name, path in files.items()}}


def has_secrets(folder: Path) -> bool:
    """Whether a cluster in the folder asked for tokens."""
    return (folder / ROOT).exists()


def token_for(settings: Mapping[str, str]) -> str | None:
    """The token to show to a node with these settings: the root token if its file can be read, otherwise
    LIMEDB_TOKEN; None: it asks for none.
    """
    if settings.get("AUTH") != "required":
        return None
    return _root_token(settings) or os.environ.get(VARIABLE) or None


def _root_token(settings: Mapping[str, str]) -> str:
    path = settings.get("ROOT_TOKEN_FILE")
    try:
        return Path(path).expanduser().read_text().strip() if path else ""
    except (OSError, UnicodeDecodeError):
        return ""

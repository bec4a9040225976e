"""The tokens that a person has: in a file, in the environment, or as `limedb login` stored them.

It owns the places to look for them, and their file. It must never give a token to an address other than the
one for which it was stored.

Tested in tests/operator/test_tokens.py.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from limedb.errors import ConfigError
from limedb.operator.private_files import read_private, settings_folder, write_private

VARIABLE = "LIMEDB_TOKEN"


def token_for(address: str, file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token for an address (host:port): of the file, else of LIMEDB_TOKEN, else the stored one; None:
    there is none. ConfigError: a file can't be used.
    """
    if file is not None:
        return _read(file)
    given = environ.get(VARIABLE, "").strip()
    if given and not is_token(given):
        raise ConfigError(VARIABLE, "...", "one word of ASCII")
    return given or stored(environ).get(address)


def is_token(text: str) -> bool:
    """Whether it may be a token, which goes into a header: one word of ASCII."""
    return text.isascii() and text.isprintable() and len(text.split()) == 1


def stored_at(environ: Mapping[str, str]) -> Path:
    """The file of stored tokens."""
    return settings_folder(environ) / "tokens.json"


def stored(environ: Mapping[str, str]) -> dict[str, str]:
    """The stored tokens, by address. ConfigError: others can read the file, or it isn't ours."""
    path = stored_at(environ)
    try:
        content = read_private("tokens", path)
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _damaged(path)
    return {str(address): str(token) for address, token in content.items()}


def is_damaged(environ: Mapping[str, str]) -> bool:
    """Whether the file of stored tokens is damaged."""
    try:
        return not isinstance(json.loads(stored_at(environ).read_text()), dict)
    except OSError:
        return False
    except (ValueError, RecursionError):
        return True


def forget_all(environ: Mapping[str, str]) -> Path:
    """Remove the file of stored tokens. OSError."""
    path = stored_at(environ)
    path.unlink()
    return path


def store(address: str, token: str | None, environ: Mapping[str, str]) -> Path:
    """Store the token for an address, or forget it; return the file. ConfigError, OSError."""
    path = stored_at(environ)
    tokens = stored(environ)
    if token is None:
        tokens.pop(address, None)
    else:
        tokens[address] = token
    write_private(path, tokens)
    return path


def _damaged(path: Path) -> ConfigError:
    return ConfigError(
        "tokens", path, "a file of `limedb login`; it is damaged, and `limedb logout` removes it"
    )


def _read(path: Path) -> str:
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError("--token-file", path, f"a file that can be read: {why}") from None
    if not is_token(text):
        raise ConfigError("--token-file", path, "a file with one token, a word of ASCII")
    return text

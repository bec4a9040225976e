"""Contexts: clusters under names of a person's choice, each with its addresses and files.

It owns their file. It must never hold a token: a context names the file of one.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from limedb.errors import ConfigError
from limedb.operator.private_files import read_private, settings_folder, write_private

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "a name of letters, digits, dots, - and _, 64 at most"


@dataclass(frozen=True, slots=True)
class Context:
    """A cluster. target: as --target has it. ca, cert, key, token_file: absolute paths; empty: none."""

    target: str
    ca: str = ""
    cert: str = ""
    key: str = ""
    token_file: str = ""


@dataclass(frozen=True, slots=True)
class Contexts:
    """All contexts. used: the name of the one that commands use by default; empty: none."""

    by_name: Mapping[str, Context] = field(default_factory=dict)
    used: str = ""

    def get(self, name: str) -> Context:
        """The context of that name. ConfigError: there is none."""
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "there is none yet: limedb context add"
            raise ConfigError("context", name, f"one of these: {known}")
        return self.by_name[name]

    def having(self, name: str, context: Context) -> "Contexts":
        """With one more, which is used if it is the first. ConfigError: the name can't be one."""
        if not _NAME.fullmatch(name):
            raise ConfigError("context", name, NAME_RULE)
        return Contexts({**self.by_name, name: context}, self.used if self.by_name else name)

    def using(self, name: str) -> "Contexts":
        """With another one in use. ConfigError: there is none of that name."""
        self.get(name)
        return replace(self, used=name)

    def without(self, name: str) -> "Contexts":
        """With one fewer. ConfigError: there is none of that name."""
        self.get(name)
        left = {other: context for other, context in self.by_name.items() if other != name}
        return Contexts(left, "" if self.used == name else self.used)


def contexts_at(environ: Mapping[str, str]) -> Path:
    """The file of contexts."""
    return settings_folder(environ) / "contexts.json"


def load_contexts(environ: Mapping[str, str]) -> Contexts:
    """The stored contexts. ConfigError: others can read the file, or it is damaged."""
    path = contexts_at(environ)
    try:
        content = read_private("contexts", path)
        if content is None:
            return Contexts()
        found = {str(name): _context_of(fields) for name, fields in content["contexts"].items()}
        return Contexts(found, str(content.get("used", "")))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise ConfigError("contexts", path, "a file of `limedb context`; it is damaged: remove it") from None


def store_contexts(contexts: Contexts, environ: Mapping[str, str]) -> Path:
    """Store all contexts; return their file. OSError."""
    path = contexts_at(environ)
    found = {name: asdict(context) for name, context in contexts.by_name.items()}
    write_private(path, {"contexts": found, "used": contexts.used})
    return path


def _context_of(fields: Mapping[str, str]) -> Context:
    """A context; fields of later versions are ignored."""
    names = ("ca", "cert", "key", "token_file")
    return Context(str(fields["target"]), **{name: str(fields.get(name, "")) for name in names})

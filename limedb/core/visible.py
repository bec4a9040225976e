"""Foreign text on a screen: keys and values come from anybody, and must neither control the screen nor
deceive its reader.

It owns the stand-ins of characters that can't be seen. Control characters have their pictures (␛ for an
escape), and all others that don't print their number (<U+202E>): they turn the direction of text, have no
width, or look like a blank. It must never be used for text that goes anywhere but to a screen: there every
byte is kept.
"""

import json
import re
import shlex

_WIDE_SPACE = "\u3000"
"""Of Chinese and Japanese text; all other spaces than the usual one would look like it."""
_HIDDEN_IN_JSON = re.compile(r"[^\n -~]")


def visible(text: str) -> str:
    """Return foreign text in one line."""
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    """Return foreign text of several lines: line feeds and tabs stay."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def shell_word(text: str) -> str:
    """Return a word for a shell (bash, zsh, ksh) that stands for exactly this text, and is all visible."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_in_shell, text)) + "'"


def json_text(value: object, indent: int | None = None) -> str:
    """Return JSON, for screens and for files: what doesn't print is escaped, so nothing is lost."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text if text.isascii() else _HIDDEN_IN_JSON.sub(_escaped, text)


def _shown(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if character.isprintable() or character == _WIDE_SPACE:
        return character
    return f"<U+{code:04X}>"


def _escaped(found: "re.Match[str]") -> str:
    character = found[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _in_shell(character: str) -> str:
    if character in "'\\":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode())

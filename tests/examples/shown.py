"""The code that docs/languages.md shows, which is that of the examples.

`python -m tests.examples.shown` writes it there: GitHub shows the page as it is, so it must hold the code.
"""

import re
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/languages.md"
BLOCK = re.compile(r"(<!-- of (\S+): ([a-z, ]+) -->\n\n```[a-z]+\n)(.*?)(```\n)", re.DOTALL)
"""A comment that names a file and its sections, and the block of code after it."""
SECTION = re.compile(
    r"^[^\n]*--8<-- \[start:([a-z]+)\]\n(.*?)^[^\n]*--8<-- \[end:\1\]", re.DOTALL | re.MULTILINE
)


def sections(path: str) -> dict[str, str]:
    """The marked sections of a file, each from its left edge on."""
    found: list[tuple[str, str]] = SECTION.findall((ROOT / path).read_text())
    return {name: dedent(text).strip("\n") for name, text in found}


def files() -> list[str]:
    """The files of which the page shows sections."""
    return [path for _, path, _, _, _ in BLOCK.findall(PAGE.read_text())]


def fresh() -> str:
    """The page with the examples' present code."""

    def block(match: re.Match[str]) -> str:
        of = sections(match[2])
        return match[1] + "\n\n".join(of[name] for name in match[3].split(", ")) + "\n" + match[5]

    return BLOCK.sub(block, PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(fresh())

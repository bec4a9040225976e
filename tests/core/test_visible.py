"""Foreign text on a screen neither controls it nor deceives its reader. Tests limedb/core/visible.py."""

import json
import subprocess

import pytest

from limedb.core.visible import json_text, shell_word, visible, visible_lines


def test_what_prints_stays_as_it_is() -> None:
    assert visible("naïve 日本　語 🍋") == "naïve 日本　語 🍋"


def test_control_characters_have_their_pictures() -> None:
    assert visible("a\x1b[31m\r\n\t\x00\x7f") == "a␛[31m␍␊␉␀␡"


@pytest.mark.parametrize(
    "code", [0x80, 0x9B, 0xA0, 0xAD, 0x200B, 0x202E, 0x2028, 0x2066, 0xFEFF, 0xE0041, 0x2003]
)
def test_what_cannot_be_seen_has_its_number(code: int) -> None:
    assert visible(f"a{chr(code)}b") == f"a<U+{code:04X}>b"


def test_lines_and_tabs_of_a_text_stay() -> None:
    assert visible_lines("a\tb\n\x1bc\r\n") == "a\tb\n␛c␍\n"


@pytest.mark.parametrize(
    "text", ["", "a b", "it's", "a\nb", "\x1b[2J'\\", "\u202eé", "$(x) `y`", "\U000e0041"]
)
def test_a_word_for_a_shell_stands_for_exactly_the_text(text: str) -> None:
    word = shell_word(text)
    assert word.isprintable()
    done = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert done.stdout == text.encode()


def test_json_keeps_everything_and_shows_nothing_that_is_hidden() -> None:
    value = {"a\x9b": ["\u202e\U000e0041\x7f\x1b", "é 😀", 1]}
    text = json_text(value)
    assert json.loads(text) == value
    assert text.isprintable()
    assert "é 😀" in text
    assert json_text(value, 2).replace("\n", "").isprintable()

"""docs/cli.md tells what the commands tell, and each command shows an example."""

import re
from pathlib import Path

import click
import pytest

from limedb.cli import codes
from tests.cli.reference import MARK, PAGE, commands, help_of, reference

COMMANDS = dict(commands())
LEAVES = [name for name, command in COMMANDS.items() if not isinstance(command, click.Group)]
ROOT = Path(__file__).parents[2]


def test_the_reference_is_that_of_the_commands() -> None:
    _, mark, rest = PAGE.read_text().partition(MARK)
    assert mark + rest == reference(), "docs/cli.md is stale: run `python -m tests.cli.reference`"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_that_is_one_of_its_own(name: str) -> None:
    text = help_of(name, COMMANDS[name])
    _, found, examples = text.partition("Example")
    assert found, "no example"
    assert name in examples


@pytest.mark.parametrize("name", LEAVES)
def test_the_options_of_its_examples_are_options_that_it_has(name: str) -> None:
    text = help_of(name, COMMANDS[name])
    examples = [line.split("|")[0] for line in text.partition("Example")[2].splitlines() if name in line]
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    used = {
        word for line in examples for word in re.findall(r"(?<=\s)--?[a-z][a-z-]*", line.partition(name)[2])
    }
    assert used <= known


def test_the_exit_codes_are_listed() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)}
    assert listed == {value for name, value in vars(codes).items() if name.isupper()}


def test_the_readme_points_there() -> None:
    assert "docs/cli.md" in (ROOT / "README.md").read_text()

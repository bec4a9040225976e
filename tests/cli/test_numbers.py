"""Numbers that no option means: each is refused with its range, in the same words everywhere."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from limedb.cli.app import cli
from limedb.cli.numbers import Number, Whole
from tests.support.clusters import RunningCluster, limedb

ABSURD = ["nan", "inf", "-inf", "1e300", str(2**66), str(2**65), "-1e300", "1e", "9" * 5000]
UNWRITTEN = [
    "",
    " ",
    "1_0",
    "\u0661",
    "\uff11",
    " 1",
    "1 ",
    "1\n",
    "0x1",
    "1,5",
    "--1",
    "+",
    ".",
    "1 s",
    "1S",
    "1d",
    "s",
]
"""Python takes most of them."""


def options(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Option]]:
    """All options of a command and of those below it, each with the words that lead to it."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"{path} {parameter.opts[0]}".strip(), parameter
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from options(inner, f"{path} {name}".strip())


NUMERIC = {
    words: option
    for words, option in options(cli)
    if isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType))
}
TTLS = ["set", "incr", "append", "get-and-set", "lock", "admin token join"]


def test_the_numbers_of_all_commands_are_found() -> None:
    assert {"set --ttl", "get --timeout", "scan --limit", "admin join-plan --virtual-nodes"} <= NUMERIC.keys()


@pytest.mark.parametrize("words", NUMERIC)
def test_what_is_no_number_within_the_range_is_refused_with_the_range(words: str) -> None:
    option = NUMERIC[words]
    assert isinstance(option.type, Whole | Number), "it takes what Python takes"
    for text in ABSURD + UNWRITTEN:
        with pytest.raises(click.BadParameter, match=r" is not a .*\d"):
            option.type.convert(text, option, None)


@pytest.mark.parametrize("words", NUMERIC)
def test_its_bounds_are_numbers(words: str) -> None:
    kind = NUMERIC[words].type
    assert isinstance(kind, Whole | Number)
    assert kind.convert(str(kind.most), None, None) == kind.most
    assert kind.convert(kind.most, None, None) == kind.most  # a default is no text
    with pytest.raises(click.BadParameter):
        kind.convert(str(kind.least - 1), None, None)


@pytest.mark.parametrize("words", TTLS)
def test_a_time_is_seconds_or_has_a_unit(words: str) -> None:
    option = NUMERIC[f"{words} --ttl"]
    for text in ("90", "90s", "1.5m", "90000ms", "0.025h", "+90", "9e1"):
        assert option.type.convert(text, option, None) == pytest.approx(90)


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "k", "v", "--ttl", "nan"),
        ("set", "k", "v", "--ttl", "1e300"),
        ("set", "k", "v", "--ttl-ms", str(2**66)),
        ("get", "k", "--timeout", "inf"),
        ("scan", "--limit", str(2**66)),
        ("watch", "--prefix", "k", "--after-version", str(2**66)),
        ("top", "--interval", "nan"),
        ("admin", "join-plan", "http://a:1", "--virtual-nodes", str(2**66)),
        ("incr", "k", "--initial", "1_000"),
        ("lock", "k", "--ttl", "\u0661"),
        ("append", "k", "v", "--ttl", ""),
    ],
    ids=" ".join,
)
def test_a_command_ends_with_a_usage_error(cluster: RunningCluster, arguments: tuple[str, ...]) -> None:
    done = limedb(*arguments, "--target", cluster.nodes[0].address)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith(f"Error: Invalid value for '{arguments[-2]}': ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nope",), "No such command 'nope'. (limedb --help)"),
        (("--nope",), "No such option '--nope'. (limedb --help)"),
        (("get",), "Missing argument 'KEY...'. (limedb get --help)"),
        (("completion",), "Choose from: bash, zsh, fish (limedb completion --help)"),
        (("scan", "--limit"), "requires an argument. (limedb scan --help)"),
        (("incr", "k", "\u0661"), "(limedb incr --help)"),
        (("incr", "k", "-1"), "Put -- before"),
        (("get", "k", "--\x1b[31m"), "x1b[31m"),
        (("admin", "token", "nope"), "(limedb admin token --help)"),
    ],
)
def test_a_wrong_use_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    done = CliRunner().invoke(cli, arguments, prog_name="limedb")
    (line,) = done.stderr.splitlines()
    assert line.isprintable()
    assert (done.exit_code, line.startswith("Error: "), words in line) == (2, True, True), line


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "large", "v", "--ttl", "3153600000"),
        ("keys", "--timeout", "2592000"),
        ("scan", "--limit", str(2**32 - 1)),
    ],
    ids=" ".join,
)
def test_the_largest_numbers_work(cluster: RunningCluster, arguments: tuple[str, ...]) -> None:
    done = limedb(*arguments, "--target", cluster.nodes[0].address)
    assert done.returncode == 0, done.stderr

"""Numbers that no option means: each is refused with its range, in the same words everywhere."""

import math
from collections.abc import Iterator

import click
import pytest

from limedb.cli.app import cli
from tests.support.clusters import RunningCluster, limedb

ABSURD = ["nan", "inf", "-inf", "1e300", str(2**66), str(2**64), "-1e300", "1e"]
SEED = "--seed"
"""Any whole number is one."""


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
    if isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType)) and SEED not in words
}


def test_the_numbers_of_all_commands_are_found() -> None:
    assert {"set --ttl", "get --timeout", "scan --limit", "admin join-plan --virtual-nodes"} <= NUMERIC.keys()


@pytest.mark.parametrize("words", NUMERIC)
@pytest.mark.parametrize("text", ABSURD)
def test_what_is_no_number_within_the_range_is_refused_with_the_range(words: str, text: str) -> None:
    option = NUMERIC[words]
    assert isinstance(option.type, (click.IntRange, click.FloatRange)), "it needs a range"
    low, high = option.type.min, option.type.max
    assert low is not None, "it needs a lower bound"
    assert high is not None, "it needs an upper bound"
    try:
        number = option.type.convert(text, option, None)
    except click.BadParameter:
        return
    assert math.isfinite(number), number
    assert low <= number <= high


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
    ],
    ids=" ".join,
)
def test_a_command_ends_with_a_usage_error(cluster: RunningCluster, arguments: tuple[str, ...]) -> None:
    done = limedb(*arguments, "--target", cluster.nodes[0].address)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"Invalid value for '{arguments[-2]}'" in done.stderr.splitlines()[-1]


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

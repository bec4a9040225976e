"""What is only for terminals: colours, bars, screens that move.

Tests limedb/cli/bars.py and limedb/cli/top.py.
"""

from pathlib import Path

import pytest

from tests.cli.terminal import on_terminal
from tests.support.clusters import RunningCluster, limedb
from tests.support.ports import free_port

ESCAPE = "\x1b["

EVIL = "evil/\x1b[31mred\x07\x9b2J\u202e"
EVIL_VALUE = "\x1b]0;title\x07\x9b31m\nnext\u200b"


@pytest.fixture(scope="module")
def evil(cluster: RunningCluster) -> RunningCluster:
    """A cluster with two keys that would steer a terminal."""
    target = ("--target", cluster.nodes[0].address)
    for key in (EVIL, f"{EVIL}2"):
        assert limedb("set", key, EVIL_VALUE, *target).returncode == 0
    return cluster


def test_words_have_colours_on_a_terminal_and_in_no_pipe(cluster: RunningCluster) -> None:
    command = ("health", "--target", cluster.nodes[0].address)
    code, shown = on_terminal(*command)
    assert (code, "\x1b[32mSERVING\x1b[0m" in shown) == (0, True)
    assert on_terminal(*command, env={"NO_COLOR": "1"}) == (0, "SERVING\r\n")
    assert limedb(*command).stdout == "SERVING\n"


@pytest.mark.process
def test_errors_have_colours_on_a_terminal_and_in_no_pipe() -> None:
    with free_port() as port:
        command = ("get", "k", "--target", f"127.0.0.1:{port}")
        code, shown = on_terminal(*command)
        assert (code, shown.startswith("\x1b[31m")) == (1, True)
        assert ESCAPE not in limedb(*command).stderr


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_an_import_has_a_bar_that_comes_to_its_end(
    cluster: RunningCluster, tmp_path: Path, env: dict[str, str], coloured: bool
) -> None:
    source = tmp_path / "bar.jsonl"
    source.write_text("".join(f'{{"key":"bar/{n}","value":"v"}}\n' for n in range(3000)) + "nope\n")
    code, shown = on_terminal("import", str(source), "--target", cluster.nodes[0].address, env=env)
    assert (code, "3,000 keys" in shown, "line 3001: not JSON" in shown) == (4, True, True)
    assert ("\x1b[3" in shown or ";5;" in shown or ";2;" in shown) == coloured


def test_a_load_shows_a_histogram_while_it_runs(cluster: RunningCluster) -> None:
    command = ["bench", "--duration", "1.5", "--keys", "50", "--target", cluster.nodes[0].address]
    code, shown = on_terminal(*command)
    live, _, result = shown.partition("throughput")
    assert (code, ESCAPE in live, ESCAPE in result) == (0, True, False)
    assert "█" in live


def test_top_clears_the_screen_between_two_samples(cluster: RunningCluster) -> None:
    code, shown = on_terminal("top", "-n", "2", "--interval", "0.2", "--target", cluster.nodes[0].address)
    assert (code, shown.count("\x1b[H\x1b[J")) == (0, 2)
    assert "\x1b[32mactive" in shown


@pytest.mark.parametrize(
    "command",
    [
        ("scan", "evil/"),
        ("scan", "evil/", "-o", "raw"),
        ("scan", "evil/", "-o", "json"),
        ("keys", "evil/"),
        ("keys", "evil/", "-o", "raw"),
        ("keys", "evil/", "-o", "raw", "--limit", "1"),
        ("keys", "evil/", "-o", "json"),
        ("get", EVIL),
        ("get", EVIL, "-o", "json"),
        ("get", EVIL, "-o", "table"),
        ("locate", EVIL),
        ("locate", EVIL, "-o", "raw"),
        ("locate", EVIL, "-o", "json"),
    ],
    ids=" ".join,
)
def test_what_keys_hold_does_not_reach_the_terminal_as_it_is(
    evil: RunningCluster, command: tuple[str, ...]
) -> None:
    code, shown = on_terminal(*command, "--target", evil.nodes[0].address, env={"NO_COLOR": "1"})
    assert code == 0
    assert shown.replace("\r\n", "").replace("\t", "").isprintable(), shown


def test_a_pipe_gets_exact_bytes(evil: RunningCluster) -> None:
    target = ("--target", evil.nodes[0].address)
    assert limedb("get", EVIL, *target).stdout == f"{EVIL_VALUE}\n"
    assert f"{EVIL}\n" in limedb("keys", "evil/", "-o", "raw", *target).stdout


def test_an_export_has_a_bar(cluster: RunningCluster, tmp_path: Path) -> None:
    target = ("--target", cluster.nodes[0].address)
    limedb("set", "exported/a", "v", *target)
    code, shown = on_terminal("export", str(tmp_path / "all.jsonl"), *target)
    assert (code, "exporting to all.jsonl" in shown, "keys written, 0 left out" in shown) == (0, True, True)

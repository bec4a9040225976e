"""The command line: help, exit codes, what a user sees of an error.

Tests limedb/cli/envoy_config.py and limedb/cli/access_options.py.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from limedb import __version__
from limedb.cli.app import cli
from tests.support.clusters import limedb


@pytest.mark.process
def test_help_lists_the_commands_and_imports_none_of_them() -> None:
    script = (
        "import sys; from limedb.cli.app import cli; cli(['--help'], standalone_mode=False);"
        "print([name for name in ('grpc', 'jinja2', 'psutil', 'lmdb', 'uvloop') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.endswith("[]\n")
    for name in ("serve", "cluster", "envoy-config", "get", "set", "del", "health"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["cluster"],
        ["cluster", "start"],
        ["cluster", "restart"],
        ["envoy-config"],
        ["get"],
        ["set"],
        ["del"],
        ["health"],
    ],
    ids=" ".join,
)
def test_every_command_has_help(command: list[str]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert (result.exit_code, "\\b" in result.output) == (0, False)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["nonsense"], 2, "No such command"),
        (["cluster", "start", "-e", "STORE"], 2, "-e=STORE: must be NAME=VALUE"),
        (["cluster", "start", "-e", "SERVER_PORT=1"], 2, "SERVER_PORT"),
        (["cluster", "start", "-e", "REPLICATION_FACTR=1"], 2, "did you mean REPLICATION_FACTOR?"),
        (["cluster", "start", "-e", "store=memory"], 2, "did you mean STORE"),
        (["cluster", "start", "-e", "FOO=1"], 2, "nodes inherit other variables from your shell"),
        (["serve", "-node.ulr", "http://x:1"], 2, "No such option '-node.ulr'. (Did you mean"),
        (["serve", "-node.ulr=http://x:1"], 2, "'-node.url'"),
        (["serve", "-x"], 2, "No such option '-x'."),
        (
            ["set", "x", "-1"],
            2,
            "Put -- before arguments that begin with -, behind all options: cli set ...",
        ),
        (["set", "x", "y", "--ttl", "abc"], 2, "'abc' is not a time"),
        (["envoy-config", "--node", "node1"], 2, "--node=node1"),
        (["envoy-config"], 2, "--node"),
        (
            ["envoy-config", "--node=http://a:1", "--tls-key=k"],
            2,
            "--tls-cert=: must be given together with --tls-key",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_error_is_a_line_and_a_code_and_leaves_nothing_on_the_disk(
    arguments: list[str], code: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert text in result.stderr.splitlines()[-1]
    assert not [*tmp_path.iterdir()]


@pytest.mark.process
def test_the_version_is_reported() -> None:
    assert limedb("--version").stdout == f"limedb, version {__version__}\n"


def test_a_configuration_of_envoy_is_printed(tmp_path: Path) -> None:
    arguments = [
        "--node",
        "http://node1:8484",
        "--host",
        "0.0.0.0",
        "--descriptor",
        "/etc/envoy/limedb.binpb",
        "--tls-cert=/c.pem",
        "--tls-key=/c.key",
        "--nodes-ca=/ca.pem",
    ]
    result = CliRunner().invoke(cli, ["envoy-config", *arguments])
    (listener,) = yaml.safe_load(result.stdout)["static_resources"]["listeners"]
    assert listener["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 8484}
    assert "/etc/envoy/limedb.binpb" in result.stdout


def test_a_configuration_of_envoy_has_the_access_that_is_asked_for() -> None:
    given = [
        "--node=http://node1:8484", "--server-name=db.example", "--origin=https://App.example/",
        "--operators=127.0.0.1:8485", "--publish=gossip",
    ]  # fmt: skip
    config = CliRunner().invoke(cli, ["envoy-config", *given]).stdout
    assert [each["name"] for each in yaml.safe_load(config)["static_resources"]["listeners"]] == [
        "limedb",
        "limedb-operators",
    ]
    assert '["db.example"]=true' in config
    assert 'exact: "https://app.example"' in config


@pytest.mark.parametrize("command", [["envoy-config", "--node=http://a:1"], ["cluster", "start"]])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--origin=*", "--origin=*: must be an origin, such as"),
        ("--server-name=a:80", "--server-name=a:80: must be a name without a port"),
        ("--operators=8485", "--operators=8485"),
        ("--publish=replica", "'replica' is not one of 'direct', 'gossip'"),
    ],
)
def test_an_access_that_is_none_is_refused(command: list[str], option: str, words: str) -> None:
    result = CliRunner().invoke(cli, [*command, option])
    assert result.exit_code == 2
    assert words in result.stderr

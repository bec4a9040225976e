"""Files, folders and tokens that can't be what they should be: one line says so, and nothing is done.

Tests limedb/cli/app.py, limedb/tls/target.py, limedb/operator/tokens.py and limedb/launch/records.py.
"""

from pathlib import Path

import pytest

from tests.support.clusters import limedb

pytestmark = pytest.mark.process
NOWHERE = ("--target", "127.0.0.1:1", "--timeout", "1")


def refused(code: int, words: str, *arguments: str, env: dict[str, str] | None = None) -> None:
    done = limedb(*arguments, env=env)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout, words in line) == (code, "", True), line


@pytest.mark.parametrize(
    ("option", "words"),
    [("--ca", "tls_ca"), ("--cert", "tls_cert"), ("--key", "tls_key")],
)
def test_a_file_that_holds_nothing_in_pem_is_named(tmp_path: Path, option: str, words: str) -> None:
    certificate, key, other = (tmp_path / name for name in ("cert.pem", "key.pem", "other.txt"))
    certificate.write_text("-----BEGIN CERTIFICATE-----\n")
    key.write_text("-----BEGIN PRIVATE KEY-----\n")
    other.write_text("root:x:0:0")
    files = {"--ca": certificate, "--cert": certificate, "--key": key} | {option: other}
    given = [str(word) for pair in files.items() for word in pair]
    refused(2, f"{words}={other}: must be a file with a ", "get", "k", *given, *NOWHERE)


@pytest.mark.parametrize("token", ["two words", "\u00e4", "line\nbreak", "\x1b"])
def test_a_token_that_is_no_word_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    refused(2, "LIMEDB_TOKEN=...: must be one word", "get", "k", *NOWHERE, env={"LIMEDB_TOKEN": token})
    (tmp_path / "token").write_text(token)
    refused(2, "must be a file with one token", "get", "k", "--token-file", str(tmp_path / "token"), *NOWHERE)


@pytest.mark.parametrize("command", ["start", "add", "stop", "status", "restart --all"])
def test_a_folder_that_no_cluster_can_have_is_named(command: str) -> None:
    refused(1, "/proc/nowhere", "cluster", *command.split(), "--data-dir", "/proc/nowhere")

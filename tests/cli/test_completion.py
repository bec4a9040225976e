"""Completion, in the shell where it is at hand, and through click's protocol."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clusters import limedb

BIN = Path(sys.executable).parent


@pytest.mark.process
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    done = limedb("completion", shell)
    assert (done.returncode, "_LIMEDB_COMPLETE" in done.stdout) == (0, True)


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("limedb ge", "plain,get"),
        ("limedb bench v", "plain,verify"),
        ("limedb get --cons", "plain,--consistency"),
    ],
)
def test_commands_arguments_and_options_are_completed(words: str, found: str) -> None:
    env = {"_LIMEDB_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [BIN / "limedb"], env={**os.environ, **env}, capture_output=True, text=True, timeout=30, check=True
    )
    assert found in done.stdout.splitlines()


@pytest.mark.process
def test_bash_completes_what_the_script_told_it() -> None:
    script = (
        'eval "$(limedb completion bash)"; COMP_WORDS=(limedb expo); COMP_CWORD=1;'
        " _limedb_completion limedb; echo ${COMPREPLY[@]}"
    )
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split() == ["export"]

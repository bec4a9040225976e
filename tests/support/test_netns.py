"""Network namespaces pass and drop what they should, and are gone afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.children import child
from tests.support.faketime import faketime_env
from tests.support.netns import Lan, lan

ANSWER = """
import socket, sys
with socket.create_server((sys.argv[1], 7)) as server:
    print("up", flush=True)
    while True:
        server.accept()[0].close()
"""
ASK = "import socket, sys; socket.create_connection((sys.argv[1], 7), timeout=0.3)"


def reaches(network: Lan, source: int, target: int) -> bool:
    ask = [*network.inside(source), sys.executable, "-c", ASK, network.address(target)]
    return subprocess.run(ask, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.mark.root
def test_nodes_reach_each_other_unless_the_network_is_cut() -> None:
    with lan(3) as network:
        answer = [*network.inside(3), sys.executable, "-c", ANSWER, network.address(3)]
        with child(answer, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "up\n"
            assert reaches(network, 1, 3)
            network.partition([1], [2, 3])
            assert (reaches(network, 1, 3), reaches(network, 2, 3)) == (False, True)
            network.heal()
            assert reaches(network, 1, 3)
            network.cut(3, 1)  # the answer doesn't come back
            assert not reaches(network, 1, 3)
            subprocess.run(
                [sys.executable, "-c", ASK, network.address(3)], timeout=60, check=True
            )  # the test


@pytest.mark.root
def test_nothing_is_left_of_a_network_even_when_the_test_fails() -> None:
    def names() -> set[str]:
        told = [
            subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
            for command in (["ip", "netns"], ["ip", "-br", "link"])
        ]
        return {line.split()[0] for line in "".join(told).splitlines() if str(os.getpid()) in line}

    def fail() -> None:
        with lan(2):
            assert len(names()) == 4  # two nodes, the bridge, the wire to it
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names() == set()


@pytest.mark.process
def test_a_process_can_have_a_clock_that_is_off() -> None:
    code = "import time; print(time.time(), time.monotonic())"
    told = [
        [
            float(word)
            for word in subprocess.check_output([sys.executable, "-c", code], env=env, timeout=60).split()
        ]
        for env in (faketime_env(600), {})
    ]
    assert 590 < told[0][0] - told[1][0] < 610
    assert abs(told[0][1] - told[1][1]) < 10
    assert Path(faketime_env(0)["LD_PRELOAD"]).is_file()

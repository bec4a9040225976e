"""`limedb demo`, from its start to Ctrl-C, with a browser that only notes what it is to open.

Tests limedb/cli/demo.py.
"""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from limedb.client import connect_sync
from tests.support.clusters import READY, limedb
from tests.support.ports import free_ports
from tests.support.waiting import wait_for

pytestmark = pytest.mark.cluster
LIMIT_SECONDS = 60


@contextmanager
def running_demo(folder: Path, continues: bool = False) -> Iterator["subprocess.Popen[str]"]:
    """continues: in folder/demo is a cluster, whose ports it uses."""
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{folder}/opened\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    with free_ports(4) as ports, (folder / "screen").open("w") as screen:
        places = [] if continues else ["--port", str(ports[0]), "--base-port", str(ports[1])]
        options = [*places, "--data-dir", str(folder / "demo")]
        process = subprocess.Popen(
            [sys.executable, "-m", "limedb", "demo", *options, *READY],
            stdout=screen,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "BROWSER": f"{browser} %s", "GOSSIP_INTERVAL": "500ms"},
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(LIMIT_SECONDS)
            limedb("cluster", "stop", "--data-dir", str(folder / "demo"))


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def shows(folder: Path, text: str) -> bool:
    return text in (folder / "screen").read_text()


def test_it_fills_loads_and_opens_a_cluster_and_leaves_no_process(tmp_path: Path) -> None:
    with running_demo(tmp_path) as process:
        wait_for("the demo runs", lambda: shows(tmp_path, "Ctrl-C stops the demo."), LIMIT_SECONDS)
        content = json.loads((tmp_path / "demo" / "cluster.json").read_text())
        wait_for("the dashboard is opened", (tmp_path / "opened").exists)
        assert (tmp_path / "opened").read_text().strip() == f"{content['envoy']['url']}/"
        with connect_sync(content["nodes"][2]["grpc_address"]) as db:
            assert db.get("greeting") == "hello"
            before = [entry.version for entry in db.scan(prefix="load/")]
            wait_for("the load", lambda: [entry.version for entry in db.scan(prefix="load/")] != before)
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_SECONDS) == 0, (tmp_path / "screen").read_text()
        pids = [part["pid"] for part in (*content["nodes"], content["envoy"])]
        assert not any(is_running(pid) for pid in pids)
        assert shows(tmp_path, "stopped; its data is in")


def test_it_ends_when_the_cluster_is_stopped_from_elsewhere(tmp_path: Path) -> None:
    with running_demo(tmp_path) as process:
        wait_for("the demo runs", lambda: shows(tmp_path, "Ctrl-C stops the demo."), LIMIT_SECONDS)
        assert limedb("cluster", "stop", "--data-dir", str(tmp_path / "demo")).returncode == 0
        assert process.wait(LIMIT_SECONDS) == 0

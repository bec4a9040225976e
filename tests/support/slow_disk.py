"""Disks that take their time, in real processes."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS = 4
"""How long each sync of a slow disk takes."""

_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_if_slow(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d", getenv("SLOW_FOLDER"), (int)getpid());
    if (access(path, F_OK) == 0) sleep(atoi(getenv("SLOW_SECONDS")));
}
int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    wait_if_slow();
    return real(fd);
}
int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    wait_if_slow();
    return real(fd);
}
"""


class SlowDisks:
    """Makes the disk of a process slow, which runs with `env`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        library = folder / "slow.so"
        (folder / "slow.c").write_text(_SHIM)
        command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / "slow.c"), "-ldl"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except FileNotFoundError:
            pytest.skip("gcc is not installed: make system-tools")
        self.env = {
            "LD_PRELOAD": str(library), "SLOW_FOLDER": str(folder), "SLOW_SECONDS": str(SECONDS)
        }  # fmt: skip

    @contextmanager
    def slow(self, pid: int) -> Iterator[None]:
        """Each sync of the process takes SECONDS, for the time of the block."""
        flag = self._folder / str(pid)
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()

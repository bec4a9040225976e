"""Disks that are small, and disks that break."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# A commit of LMDB is pwrite, fdatasync and a pwrite on an O_DSYNC descriptor; env_sync is fdatasync.
EIO_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int is_broken(const char *call) {
    const char *flag = getenv("EIO_FLAG"), *which = getenv("EIO_CALL");
    for (int i = 0; which[i] || call[i]; i++) if (which[i] != call[i]) return 0;
    return access(flag, F_OK) == 0;
}
int fdatasync(int fd) {
    if (is_broken("fdatasync")) { errno = EIO; return -1; }
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    if (is_broken("pwrite")) { errno = EIO; return -1; }
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }
"""


@dataclass(frozen=True)
class SmallDisk:
    path: Path

    def names(self) -> list[str]:
        return [path.name for path in self.path.iterdir()]

    def resize(self, size: str) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self.path))


@contextmanager
def mounted(path: Path, size: str) -> Iterator[SmallDisk]:
    path.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "limedb-test", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs root and the right to mount a tmpfs: {error}")
    try:
        yield SmallDisk(path)
    finally:
        _run("umount", "--lazy", str(path))


def compile_shim(folder: Path) -> Path:
    """Build the library that makes the disk of a process break while the file EIO_FLAG exists."""
    library = folder / "eio.so"
    (folder / "eio.c").write_text(EIO_SHIM)
    try:
        _run("gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / "eio.c"), "-ldl")
    except FileNotFoundError:
        pytest.skip("gcc is not installed: make system-tools")
    return library


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)

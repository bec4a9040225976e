"""Disks that fail, or never answer, in real processes."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HANGS = 0
"""In the place of an error number: the call never returns."""

_SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/uio.h>

/* Whether a call is to fail now; errno is set. The flag holds the call's name and the error number. */
static int fails(const char *call) {
    char content[64] = "", name[32] = "";
    int code = 0, (*really_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = really_open(getenv("FAULT_FLAG"), O_RDONLY);
    if (fd < 0) return 0;
    ssize_t size = read(fd, content, sizeof content - 1);
    close(fd);
    if (size <= 0 || sscanf(content, "%31s %d", name, &code) != 2 || strcmp(name, call)) return 0;
    if (!code) {
        char seen[4096];
        snprintf(seen, sizeof seen, "%s.hangs", getenv("FAULT_FLAG"));
        close(really_open(seen, O_WRONLY | O_CREAT, 0600));
        for (;;) sleep(1000);
    }
    errno = code;
    return 1;
}
int fdatasync(int fd) {
    if (fails("sync")) return -1;
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}
int fsync(int fd) {
    if (fails("sync")) return -1;
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    if (fails("write")) return -1;
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }
int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    if ((flags & O_CREAT) && strstr(path, "/log-") && fails("create")) return -1;
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    return real(path, flags, mode);
}
"""


class FaultyDisks:
    """Makes the disk of processes fail that run with `env`."""

    def __init__(self, folder: Path) -> None:
        library, self._flag = folder / "faulty.so", folder / "fault"
        (folder / "faulty.c").write_text(_SHIM)
        command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / "faulty.c"), "-ldl"]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("gcc is not installed: make system-tools")
        self.env = {"LD_PRELOAD": str(library), "FAULT_FLAG": str(self._flag)}

    @property
    def is_hanging(self) -> bool:
        """Whether some call has not returned."""
        return self._flag.with_suffix(".hangs").exists()

    @contextmanager
    def failing(self, call: str, code: int) -> Iterator[None]:
        """For the time of the block sync, write (of what is there) or create (of a segment of the log) fails
        with an error number, or HANGS.
        """
        temporary = self._flag.with_suffix(".new")
        temporary.write_text(f"{call} {code}")
        temporary.replace(self._flag)
        try:
            yield
        finally:
            self._flag.unlink()

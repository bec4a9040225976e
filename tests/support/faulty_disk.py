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

static ssize_t really_read(int fd, void *data, size_t size) {
    ssize_t (*real)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    return real(fd, data, size);
}
/* Whether there is a flag; it holds the name of a call, and an error number. */
static int is_flagged(char *name, int *code) {
    char content[64] = "";
    int (*really_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = really_open(getenv("FAULT_FLAG"), O_RDONLY);
    if (fd < 0) return 0;
    ssize_t size = really_read(fd, content, sizeof content - 1);
    close(fd);
    return size > 0 && sscanf(content, "%31s %d", name, code) == 2;
}
/* Whether a call is to fail now; errno is set. */
static int fails(const char *call) {
    char name[32];
    int code, (*really_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    if (!is_flagged(name, &code) || strcmp(name, call)) return 0;
    if (!code) {
        char seen[4096];
        snprintf(seen, sizeof seen, "%s.hangs", getenv("FAULT_FLAG"));
        close(really_open(seen, O_WRONLY | O_CREAT, 0600));
        for (;;) sleep(1000);
    }
    errno = code;
    return 1;
}
/* Whether a file is not to be read now: a part of its path stands behind "read:". */
static int fails_to_read(int fd) {
    char name[32], link[64], path[4096];
    int code;
    if (!is_flagged(name, &code) || strncmp(name, "read:", 5)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = 0;
    if (!strstr(path, name + 5)) return 0;
    errno = code;
    return 1;
}
ssize_t read(int fd, void *data, size_t size) {
    return fails_to_read(fd) ? -1 : really_read(fd, data, size);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    if (fails_to_read(fd)) return -1;
    ssize_t (*real)(int, void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pread64");
    return real(fd, data, size, at);
}
ssize_t pread(int fd, void *data, size_t size, off_t at) { return pread64(fd, data, size, at); }
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
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except FileNotFoundError:
            pytest.skip("gcc is not installed: make system-tools")
        self.env = {"LD_PRELOAD": str(library), "FAULT_FLAG": str(self._flag)}

    @property
    def is_hanging(self) -> bool:
        """Whether some call has not returned."""
        return self._flag.with_suffix(".hangs").exists()

    @contextmanager
    def failing(self, call: str, code: int) -> Iterator[None]:
        """For the time of the block sync, write (of what is there), create (of a segment of the log) or read
        (as "read:<a part of the path>") fails with an error number; the others also with HANGS.
        """
        temporary = self._flag.with_suffix(".new")
        temporary.write_text(f"{call} {code}")
        temporary.replace(self._flag)
        try:
            yield
        finally:
            self._flag.unlink()

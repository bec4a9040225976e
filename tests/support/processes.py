"""Processes that a test watches and didn't start itself."""

from pathlib import Path


def is_gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have heard of it yet."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True

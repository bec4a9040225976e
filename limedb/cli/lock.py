"""`limedb lock`: a command that runs while this process holds a lock.

It owns what becomes of the command: it ends when the lock is lost, and gets the signals that this process
gets. It must never run it without the lock.

Tested in tests/cli/test_lock.py.
"""

import asyncio
import os
import signal
import sys

import click

from limedb.cli.codes import COMMAND_NOT_FOUND, LOCKED, NOT_EXECUTABLE
from limedb.cli.options import Duration, command, target_option, timeout_option
from limedb.cli.output import print_error
from limedb.core.limits import MAX_TTL_MS
from limedb.errors import LockLostError, LockTakenError
from limedb.tls.target import Target

ENDING_SECONDS = 5.0
"""That the command has to end after SIGTERM, when the lock is lost; then SIGKILL ends it."""
TOKEN_VARIABLE = "LIMEDB_LOCK_TOKEN"  # noqa: S105 (a fencing token is no secret)
SIGNALLED = 128
"""And the number of the signal that ended the command: the exit code, as in shells."""
PASSED_ON = (signal.SIGTERM, signal.SIGHUP)
"""What a terminal doesn't send to the command itself."""


@command(
    "lock",
    examples="""
    limedb lock jobs/nightly -- ./nightly.sh
    limedb lock jobs/nightly --no-wait -- ./nightly.sh
    limedb lock jobs/nightly --ttl 30s --wait 5m -- ./nightly.sh
    """,
)
@click.argument("name")
@click.argument("words", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--ttl",
    "ttl_ms",
    type=Duration(MAX_TTL_MS / 1000),
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="How long others wait at most if this process dies. It renews the lock more often.",
)
@click.option(
    "--wait",
    "wait_ms",
    type=Duration(MAX_TTL_MS / 1000),
    metavar="DURATION",
    help="How long to wait for the lock. Default: as long as it takes.",
)
@click.option("--no-wait", is_flag=True, help="Don't wait for it.")
@click.option("--holder", metavar="TEXT", help="What others see. Default: HOST:PID.")
@target_option
@timeout_option
def lock(
    name: str,
    words: tuple[str, ...],
    ttl_ms: int,
    wait_ms: int | None,
    no_wait: bool,
    holder: str | None,
    target: Target,
    timeout: float,
) -> None:
    """Run COMMAND while this process holds the lock NAME, which is the key that stores it; exit as it does.

    COMMAND has the fencing token in LIMEDB_LOCK_TOKEN: a number that is higher for each holder. If the lock
    is lost, because too few nodes answer or this process stood still, COMMAND gets SIGTERM, and SIGKILL after
    5 s. Exit code 75: the lock is taken, or was lost; 126, 127: COMMAND can't be run, or isn't there; 128 and
    the number of the signal that ended it.
    """
    if no_wait and wait_ms is not None:
        raise click.UsageError("give one of --wait and --no-wait")
    wait = 0.0 if no_wait else None if wait_ms is None else wait_ms / 1000
    sys.exit(asyncio.run(_carry_out(name, words, ttl_ms / 1000, wait, holder, target, timeout)))


async def _carry_out(
    name: str,
    words: tuple[str, ...],
    ttl: float,
    wait: float | None,
    holder: str | None,
    target: Target,
    timeout: float,
) -> int:
    """Return the exit code."""
    from limedb.client import connect

    async with connect(target.url, timeout=timeout, **target.files) as db:
        try:
            async with db.lock(name, ttl, wait=wait, holder=holder) as held:
                return await _run(words, held.token)
        except (LockTakenError, LockLostError) as error:
            print_error(str(error))
            return LOCKED


async def _run(words: tuple[str, ...], token: int) -> int:
    signals = _Signals()
    try:
        process = await asyncio.create_subprocess_exec(*words, env={**os.environ, TOKEN_VARIABLE: str(token)})
    except FileNotFoundError:
        print_error(f"{words[0]}: command not found; nothing was run")
        return COMMAND_NOT_FOUND
    except OSError as error:
        print_error(f"{words[0]}: {error.strerror}; nothing was run")
        return NOT_EXECUTABLE
    try:
        signals.pass_on(process)
        code = await process.wait()
    finally:
        await _end(process)
    return code if code >= 0 else SIGNALLED - code


class _Signals:
    """The signals that this process gets from now on: they are for the command."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._early: list[signal.Signals] = []
        loop = asyncio.get_running_loop()
        for number in PASSED_ON:
            loop.add_signal_handler(number, self._take, number)
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches the command by itself

    def pass_on(self, process: asyncio.subprocess.Process) -> None:
        """Send it those that came before it began, and those that come."""
        self._process = process
        for number in self._early:
            self._take(number)

    def _take(self, number: signal.Signals) -> None:
        if self._process is None:
            self._early.append(number)
        elif self._process.returncode is None:
            self._process.send_signal(number)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it, if it runs."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), ENDING_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()

"""`limedb lock`: a command that runs while this process holds a lock.

It owns the command's process: it stops the command when the lock is lost, and passes on the signals that this
process gets. It must never run the command without the lock.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from limedb.cli.codes import COMMAND_NOT_FOUND, LOCKED, NOT_EXECUTABLE
from limedb.cli.options import TTL, command, target_option, timeout_option
from limedb.cli.output import print_error
from limedb.core.visible import visible
from limedb.errors import LockLostError, LockTakenError, RequestTimeoutError, UnavailableError, brief
from limedb.tls.target import Target

if TYPE_CHECKING:
    from limedb.client import Client

ENDING_SECONDS = 5.0
"""Seconds that the command has to exit after SIGTERM, when the lock is lost; then it gets SIGKILL."""
FENCE_VARIABLE = "LIMEDB_LOCK_TOKEN"
SIGNALLED = 128
"""And the number of the signal that ended the command: the exit code, as in shells."""
PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""The signals that a terminal doesn't send to the command itself."""


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
    type=TTL,
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="The longest time that others wait if this process dies. It renews the lock more often.",
)
@click.option(
    "--wait",
    type=TTL,
    metavar="DURATION",
    help="How long to wait for the lock. Default: as long as it takes.",
)
@click.option("--no-wait", is_flag=True, help="Don't wait for it.")
@click.option("--holder", metavar="TEXT", help="The name that others see. Default: HOST:PID.")
@target_option
@timeout_option
def lock(
    name: str,
    words: tuple[str, ...],
    ttl: float,
    wait: float | None,
    no_wait: bool,
    holder: str | None,
    target: Target,
    timeout: float,
) -> None:
    """Run COMMAND while this process holds the lock NAME, which is the key that stores it; exit with its
    code.

    COMMAND finds the fencing token in LIMEDB_LOCK_TOKEN: a number that grows with each holder. If the lock
    is lost, because too few nodes answer or this process stood still, COMMAND and all that it has started get
    SIGTERM, and SIGKILL after 5 s. This process passes on SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2. If it is
    killed by SIGKILL, COMMAND continues without the lock. Exit code 75: the lock is taken, or was lost; 126,
    127: COMMAND can't be run, or doesn't exist; 128 plus the number of the signal that killed COMMAND.
    """
    if no_wait and wait is not None:
        raise click.UsageError("give one of --wait and --no-wait")
    sys.exit(asyncio.run(_carry_out(name, words, ttl, 0.0 if no_wait else wait, holder, target, timeout)))


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
        lock = db.lock(name, ttl, wait=wait, holder=holder)
        try:
            if wait != 0:
                await _say_who_has_it(db, name, wait)
            async with lock:
                return await _run(words, lock.token)
        except (LockTakenError, LockLostError) as error:
            print_error(str(error))
            return LOCKED


async def _say_who_has_it(db: "Client", name: str, wait: float | None) -> None:
    """Print the holder for whom it waits, since that may take long."""
    from limedb.client.holding import holder_in

    with suppress(UnavailableError, RequestTimeoutError):
        entry = await db.get_entry(name)
        if entry is not None:
            limit = "" if wait is None else f" for {wait:g} s at most"
            holder = visible(holder_in(entry.value))
            click.echo(f"waiting{limit} for lock {brief(name)}, which {holder} has", err=True)


async def _run(words: tuple[str, ...], token: int) -> int:
    signals = _Signals()
    try:
        process = await asyncio.create_subprocess_exec(*words, env={**os.environ, FENCE_VARIABLE: str(token)})
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
        for number in (signal.SIGINT, signal.SIGQUIT):  # those of a terminal reach the command by themselves
            loop.add_signal_handler(number, lambda: None)

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
    """End it, if it runs, and all that it has started."""
    if process.returncode is not None:
        return
    import psutil  # only where it is needed

    family: list[asyncio.subprocess.Process | psutil.Process] = [process]
    with suppress(psutil.NoSuchProcess):
        family += psutil.Process(process.pid).children(recursive=True)
    for one in family:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            one.terminate()
    try:
        await asyncio.wait_for(process.wait(), ENDING_SECONDS)
    except TimeoutError:
        for one in family:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                one.kill()
        await process.wait()

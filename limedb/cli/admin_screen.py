"""The output of `limedb admin`: tables, plans, and progress: a bar on a terminal, plain lines elsewhere.

Tested in tests/cli/test_admin.py.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from limedb.aio.retrying import Patience
from limedb.core.conditions import condition, is_known
from limedb.core.report import ChangePlan, ChangeStatus
from limedb.errors import LimeDBError, RemoteError
from limedb.operator.admin import AdminClient, AdminStatus, NodeStatus, RepairState, ScrubState
from limedb.operator.silence import no_data

LOOK_SECONDS = 0.5
"""The time between two requests for the progress of a change, or for its begin."""

Advance = Callable[[int, int, str], None]
"""Shows how many parts are done, of how many, and a few words."""


def show_status(status: AdminStatus) -> None:
    """Print the members as a table, then the change and the problems."""
    cluster = status.cluster_id or "none yet"
    click.echo(
        f"cluster {cluster}, epoch {status.epoch} ({status.phase}),"
        f" {status.replication_factor} replicas of each key{_founded(status.founded_ms)}"
    )
    for node in status.nodes:
        click.echo(
            f"{node.url:<32} {node.standing or 'no member':<10} {condition(node.status, node.reachable):<11}"
            f" {node.share:>7.2%} {_keys(node):>15} {node.zone}".rstrip()
        )
    if status.change:
        click.echo(f"running: {status.change.what} ({status.change.phase}), {_words(status.change)}")
    for problem in status.problems:
        click.echo(f"! {problem}")


def _keys(node: NodeStatus) -> str:
    """How many keys a node holds, or since when nobody knows."""
    if is_known(node.status, node.reachable):
        return f"{node.keys} keys"
    return no_data(time.time(), node.lag)


def _founded(founded_ms: int) -> str:
    """The time when a cluster was founded: a new, empty one must not look like the old one."""
    if not founded_ms:
        return ""
    return f", founded {datetime.fromtimestamp(founded_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def show_plan(plan: ChangePlan) -> None:
    """Print what moves, or would move."""
    began = f"begun in epoch {plan.epoch}" if plan.epoch else "nothing was changed"
    click.echo(f"{plan.what} ({began}); new owners fetch {plan.streamed:.2%} of the keys")
    for move in plan.moves:
        click.echo(f"{move.node_url:<32} {move.share_before:>7.2%} -> {move.share_after:>7.2%}")


def wait_gone(node: AdminClient, url: str, epoch: int, timeout: float) -> None:
    """Show progress of the change that began in `epoch` until a node is no longer a member. timeout: how long
    the asked node may be away, in seconds. LimeDBError: the change was cancelled.
    """
    total, words = 1, ""
    with _progress("streaming") as advance:
        for status in _statuses(node, Patience(timeout)):
            if status.member(url) is None:
                advance(total, total, words)
                break
            if status.change is not None:
                if status.change.progress:  # for a moment no node may have anything to report
                    (done, total), words = _counts(status.change), _words(status.change)
                    advance(done, total, words)
            elif status.epoch > epoch:  # before that, the answering node has not heard of it
                raise LimeDBError(f"{url} is still a member: the change was cancelled")
    click.echo(f"{url} is no longer a member")


def wait_dead(node: AdminClient, url: str, timeout: float) -> None:
    """Return once the asked node considers a member dead, or after `timeout` seconds: a member that was just
    killed counts as alive for some gossip intervals.
    """
    end = time.monotonic() + timeout
    for status in _statuses(node, Patience(timeout)):
        member = status.member(url)
        if member is None or member.status == "dead" or time.monotonic() > end:
            return


def remove_dead(node: AdminClient, url: str, timeout: float) -> ChangePlan:
    """Begin to remove a member that is dead for the asked node, once enough others agree, within `timeout`
    seconds: some may have heard from it a moment later. Errors of `AdminClient.remove`.
    """
    end = time.monotonic() + timeout
    while True:
        try:
            return node.remove(url, dry_run=False)
        except RemoteError as error:
            if not error.may_pass or time.monotonic() > end:
                raise
        time.sleep(LOOK_SECONDS)


def show_repair(states: Iterator[RepairState]) -> None:
    """Show progress until a repair is finished. LimeDBError: it stopped early, or owners were missing."""
    state = None
    with _progress("repairing") as advance:
        for state in states:
            advance(state.spans_done, state.spans, f"{state.pulled} pulled, {state.pushed} pushed")
    if state is None or not state.is_finished:
        raise LimeDBError("the repair stopped before it was finished")
    click.echo(f"{state.spans} ranges compared, {state.pulled} records pulled, {state.pushed} pushed")
    if state.missing:
        why = "; ".join(f"{url}: {reason}" for url, reason in sorted(state.missing.items()))
        raise LimeDBError(f"some owners could not be compared ({why}); repair again when they are back")


def show_scrub(states: Iterator[ScrubState]) -> None:
    """Show progress until a scrub is finished. LimeDBError: it stopped early, or damaged records are left."""
    state = None
    with _progress("scrubbing") as advance:
        for state in states:
            advance(state.size >> 10, state.total >> 10, f"{state.records} records, {state.damaged} damaged")
    if state is None or not state.is_finished:
        raise LimeDBError("the scrub stopped before it was finished")
    known = max(0, state.mended + state.waiting - state.damaged)
    click.echo(
        f"{state.records} records checked, {state.damaged} damaged"
        f"{f' besides {known} already known' if known else ''}, {state.mended} mended from other replicas,"
        f" {state.index_mended} index entries mended"
    )
    if state.waiting:
        raise LimeDBError(
            f"{state.waiting} records are still damaged, and no replica has {state.lost} of them: bring the"
            " other replicas back; write again or delete the keys that none has (`limedb admin status` names"
            " some of them, the node's log all)"
        )


def _statuses(node: AdminClient, patience: Patience) -> Iterator[AdminStatus]:
    """Yield the status again and again; the asked node may be away for a while."""
    while True:
        try:
            status = node.status()
        except LimeDBError as error:
            if not error.may_pass:
                raise
            patience.wait(error)
            continue
        patience.heard()
        yield status
        time.sleep(LOOK_SECONDS)


def _counts(change: ChangeStatus) -> tuple[int, int]:
    parts = change.progress.values()
    return sum(p.spans_done for p in parts), sum(p.spans for p in parts)


def _words(change: ChangeStatus) -> str:
    """Return the progress of a change in words: ranges, keys, rate, and what it waits for."""
    done, total = _counts(change)
    parts = change.progress.values()
    text = f"{done} of {total} ranges, {sum(p.keys for p in parts)} keys"
    text += f", {sum(p.keys_per_second for p in parts):.0f} keys/s"
    waits = sorted({p.waiting_for for p in parts if p.waiting_for})
    return text + (f"; waits for {', '.join(waits)}" if waits else "")


@contextmanager
def _progress(label: str) -> Iterator[Advance]:
    """Show a bar on a terminal; elsewhere print a line whenever the words change."""
    if not sys.stdout.isatty():
        yield _lines(label)
        return
    bar = click.progressbar(length=1, label=label, item_show_func=lambda words: words)
    is_left_by_itself = False

    def advance(done: int, total: int, words: str) -> None:
        if (
            total >= done
        ):  # a node may report less than before, since it counts again, but never more than all
            bar.length = max(total, bar.pos, 1)
            bar.update(done - bar.pos, words)

    try:
        with bar:
            is_left_by_itself = True
            yield advance
            bar.update((bar.length or 0) - bar.pos)  # it finished between two looks
    except KeyboardInterrupt:
        if not is_left_by_itself:  # it was drawn and has hidden the cursor, but is not entered yet
            bar.render_finish()
        raise


def _lines(label: str) -> Advance:
    last = ""

    def advance(done: int, total: int, words: str) -> None:
        nonlocal last
        line = f"{label}: {done}/{total} {words}"
        if line != last:
            click.echo(line)
            last = line

    return advance

"""The hints that were lost: a repair brings their writes, once all members are there.

It owns the fact that some were lost, not which ones: through damage to their file, its loss, a lack of room,
or their bounds in bytes and age. It must never keep hints: the log does.

Thanks to hints, a node that was away has the writes that it missed soon after its return. Without them it
would lack these until the next comparison of the ranges, at the end of REPAIR_INTERVAL. So the node owes a
repair (`owed.py`) of all ranges, since hints may be of any key: it compares ranges that it doesn't own among
their owners (`foreign_repair.py`). While a member is away, the repair could bring it nothing, and would be in
vain for the others: so it waits.
"""

import asyncio
from collections.abc import Callable, Iterable

from limedb.ports import HintLog
from limedb.replication.repair.owed import LOOK_SECONDS, OwedMark, OwedRepair, Repair


class LostHints(OwedRepair):
    """Notices losses. away: the members that don't answer now."""

    lacking = (
        "hints that this node kept for others were lost, so that others may lack writes until it has compared"
        " all ranges"
    )
    cause = "the writes whose hints were lost"

    def __init__(
        self, hints: HintLog, away: Callable[[], Iterable[str]], repair: Repair, mark: OwedMark | None = None
    ) -> None:
        super().__init__(lambda: _waits_for([*away()]), repair, mark)
        self._hints = hints

    async def watch(self) -> None:
        """Note each loss, until cancelled."""
        known = 0
        while True:
            if (losses := self._hints.losses) > known:
                known = losses
                self.note()
            await asyncio.sleep(LOOK_SECONDS)


def _waits_for(away: list[str]) -> str:
    if not away:
        return ""
    return f"it does so once {', '.join(sorted(away))} {'is' if len(away) == 1 else 'are'} back, or removed"

"""Which seeds are run.

It owns their choice: SIM_SEED=n runs one, SIM_SEEDS=n the first n; else a modest number. Seeds that failed
once are in KEPT for good, each with what it showed.
"""

import os

MODEST = 21
"""How many seeds CI goes through. A share of 20 still has two of them, one of a usual cluster. `make sim`
goes through 300.
"""

KEPT: dict[str, dict[int, str]] = {
    "registers": {
        6: "two nodes founded a cluster each, and each let the other's founder join as if it were fresh",
    },
    "unique_keys": {},
    "moving_registers": {},
    "batches": {},
    "astray": {},
    "moving_astray": {},
    "rot": {},
    "moving_rot": {},
    "clock_jumps": {
        11: "the clock of a node that is alone was set back: it refused its own writes for as long",
        16: "measurements from before a peer's clock was set right hid that the own clock jumped",
    },
    "clocks_set_right": {},
    "purges": {},
    "changes": {
        160: "a replica's timeout came in the instant of the deadline: 'nothing was written', and it was",
        264: "a join was cancelled later than whoever asked for it waited; now it is restarted then",
        268: "a node that left and heard of it only afterwards took itself for removed, and joined again",
    },
    "retries": {},
    "conditional": {},
    "moving_conditional": {},
    "late_record": {},
    "moved_promise": {},
    "edits": {},
    "counters": {},
    "moving_counters": {},
    "groups": {},
    "moving_groups": {},
    "leases": {},
    "standstill": {},
    "watches": {
        51: "a node that a watch first heard after it stood told only what came from then on",
    },
    "moving_watches": {},
    "rolling_watches": {},
    "crashing_watches": {
        180: "all who watched were between two nodes when one stopped, which took itself for alone",
    },
    "forgetful_watches": {},
    "lies": {},
}
"""Seeds that showed a fault, by scenario."""


def seeds_of(scenario: str, share: int = 1) -> list[int]:
    """The seeds to run a scenario on. share: a long scenario runs every so many-th of them only; no multiple
    of 3, for every third seed has an unusual cluster (`clusters.form_of`).
    """
    if one := os.environ.get("SIM_SEED"):
        return [int(one)]
    count = int(os.environ.get("SIM_SEEDS") or MODEST)
    return sorted({*range(0, count, share), *KEPT[scenario]})

"""Since when a node has sent no figures, in words.

It owns these words. It must never decide whether a node is silent.

Tested in tests/operator/test_silence.py.
"""

import time

DAY_SECONDS = 86_400


def no_data(now: float, lag: float) -> str:
    """Return since when a node has sent no figures. now: seconds since 1970. lag: seconds since its last
    heartbeat; 0: there was none.
    """
    if not lag:
        return "no data yet"
    shape = "%H:%M:%S" if lag < DAY_SECONDS else "%Y-%m-%d %H:%M:%S"
    return f"no data since {time.strftime(shape, time.localtime(now - lag))}"

"""The figures of a node's telemetry come from the parts that it names."""

from limedb.config import load
from limedb.node.clock import SystemClock
from limedb.node.telemetry_source import telemetry_source
from limedb.observability.figures import Figures
from limedb.rpc.server.memory import Memory
from limedb.storage.memory.store import MemoryStore

LIMITED = {("CLIENT_RATE", "identity"): 3}


async def test_each_figure_is_that_of_its_part() -> None:
    config = load({"NODE_URL": "http://node1:8484", "ZONE": "rack-1"})
    clock, store = SystemClock(), MemoryStore()
    figures, memory = Figures(clock, store, frozenset()), Memory(1 << 30, clock)
    source = telemetry_source(config, figures, memory, store, lambda: {"peers": 12.5}, lambda: LIMITED)
    assert (source.node_url, source.zone) == ("http://node1:8484", "rack-1")
    assert source.days_left() == {"peers": 12.5}
    assert source.limits() == LIMITED | {("MAX_CALLS", "node"): 0}
    share = memory.shares[0]
    with share.hold("somebody", 100):
        assert source.shares()[share.name] == (100, 0)
    assert source.requests is figures.requests
    assert source.damage() == store.damage.counts()

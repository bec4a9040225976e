"""A REST request as one trace across Envoy, the node asked and the owner, at a real OTLP receiver."""

from pathlib import Path

import httpx

from tests.support.clusters import running_cluster
from tests.support.keys import new_key_of
from tests.support.otlp import OtlpReceiver

CLIENT_TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_rest_request_is_one_trace_from_envoy_to_the_owner(tmp_path: Path) -> None:
    with (
        OtlpReceiver() as receiver,
        running_cluster(tmp_path, nodes=2, env={"OTEL_ENDPOINT": receiver.endpoint}) as cluster,
        httpx.Client(base_url=cluster.envoy_url, timeout=20) as rest,
    ):
        asked, owner = (node.url for node in cluster.nodes)
        key = new_key_of(owner, [asked, owner])
        sampled = {"traceparent": f"00-{CLIENT_TRACE}-b7ad6b7169203331-01"}
        body = {"key": key, "value": "v"}
        rest.post("/api/v1/set", params={"node": asked}, json=body, headers=sampled).raise_for_status()

        def trace() -> list:
            spans = receiver.spans()
            ends = [
                s
                for s in spans
                if "ReplicaService/Apply" in s.name and s.resource["service.instance.id"] == owner
            ]
            return [s for s in spans if ends and s.trace_id == CLIENT_TRACE]

        receiver.wait_for(lambda _: len(trace()) >= 4, 20)
        spans = {span.span_id: span for span in trace()}
        at_owner = next(s for s in spans.values() if "ReplicaService/Apply" in s.name and s.kind == "SERVER")
        hop = spans[at_owner.parent_id]
        at_asked = spans[hop.parent_id]
        at_envoy = spans[at_asked.parent_id]
        assert (hop.kind, hop.resource["service.instance.id"]) == ("CLIENT", asked)
        assert (at_asked.kind, at_asked.resource["service.instance.id"]) == ("SERVER", asked)
        assert "KVService/Set" in at_asked.name
        assert at_envoy.resource["service.name"] == "limedb-envoy"

"""What the annotations of proto/ say of REST."""

import base64
import re

from google.rpc.status_pb2 import Status

from limedb.errors import UnavailableError
from limedb.wire import rest
from limedb.wire.status import error_from
from limedbpb.v1 import gossip_pb2, record_pb2


def allowed(path: str) -> list[str]:
    return [allow for allow, paths in rest.paths_by_methods().items() if re.fullmatch(paths, path)]


def test_each_path_has_one_list_of_methods() -> None:
    for path in ("/", "/assets/a.js", "/api/v1/get/a/b", "/api/v1/scan", "/api/v1/admin/join-plan"):
        assert allowed(path) == ["GET, HEAD, OPTIONS"]
    assert allowed("/api/v1/set") == allowed("/api/v1/set/direct") == allowed("/gossip") == ["POST, OPTIONS"]
    assert allowed("/api/v1/del/a") == ["DELETE, OPTIONS"]
    assert allowed("/api/v1/nope") == allowed("/api/v1/getx") == allowed("/api/v1/setx") == []


def test_a_path_may_end_before_its_key_or_with_a_slash() -> None:
    assert allowed("/api/v1/get") == allowed("/api/v1/keys/") == ["GET, HEAD, OPTIONS"]
    assert allowed("/api/v1/set/") == allowed("/gossip/") == ["POST, OPTIONS"]
    assert allowed("/api/v1/set//") == allowed("//") == []


def test_what_a_path_has_in_it_is_taken_literally() -> None:
    assert allowed("/favicon.svg") == ["GET, HEAD, OPTIONS"]
    assert allowed("/faviconxsvg") == []


def test_a_request_has_its_fields_in_both_spellings_and_those_of_what_it_holds() -> None:
    fields = rest.fields()
    write = fields["limedb.v1.SetRequest"]
    assert write["ttlMs"] == write["ttl_ms"] == {"name": "ttlMs", "kind": "whole", "most": str(2**64 - 1)}
    assert write["blob"] == {"name": "blob", "kind": "bytes", "oneof": "content"}
    level = {"name": "consistency", "kind": "enum", "enum": "limedb.v1.Consistency"}
    assert write["consistency"] == fields["limedb.v1.ScanRequest"]["consistency"] == level
    assert fields["limedb.v1.BatchSetRequest"]["writes"] == {
        "name": "writes",
        "kind": "message",
        "message": "limedb.v1.BatchWrite",
        "is_list": True,
    }
    assert rest.enums()["limedb.v1.Consistency"][1] == "CONSISTENCY_ONE"
    assert "limedb.v1.SessionRequest" not in fields  # it has no path


def test_a_request_is_known_by_its_path_up_to_the_key() -> None:
    requests = rest.requests()
    assert requests["/api/v1/get/"] == {
        "message": "limedb.v1.GetRequest",
        "takes": "consistency",
        "ignores_unknown": True,
    }
    assert requests["/api/v1/replicas/"] == {"message": "limedb.v1.LocateKeyRequest", "takes": "none"}
    write = requests["/api/v1/batch/set"]
    assert (write["has_body"], write["needs_body"], write["takes"]) == (True, True, "consistency, writes")


def test_each_enum_of_a_request_counts_its_values_from_zero() -> None:
    """Only then is a number one of its values if it is less than how many there are."""
    used = {field.get("enum") for fields in rest.fields().values() for field in fields.values()} - {None}
    for enum in (record_pb2.Consistency, gossip_pb2.Gossip):
        assert list(enum.values()) == list(range(len(enum.values())))
        used.discard(enum.DESCRIPTOR.full_name)
    assert not used


def test_streams_and_bodies_are_known_by_path() -> None:
    streams = {endpoint.start for endpoint in rest.endpoints() if endpoint.is_stream and not endpoint.body}
    assert streams == {"/api/v1/scan", "/api/v1/watch", "/api/v1/cluster/watch"}
    assert {endpoint.start: endpoint.body for endpoint in rest.endpoints()}["/api/v1/set"] == (
        "limedb.v1.SetRequest"
    )


def test_an_error_of_the_gateway_is_read_as_one_of_a_node() -> None:
    details = rest.details_of(UnavailableError("nobody is there"))
    assert [detail["reason"] for detail in details.json] == ["UNAVAILABLE"]
    (connect,) = details.connect
    assert connect["type"] == "google.rpc.ErrorInfo"
    assert "=" not in connect["value"]
    error = error_from("http://a:1", Status.FromString(base64.b64decode(details.grpc)))
    assert error is not None
    assert (error.reason, error.nothing_written) == ("UNAVAILABLE", True)

"""Requests in JSON, as nodes read those of the Connect protocol: refused in the words of REST."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from limedb.errors import MalformedRequestError
from limedb.wire.json_requests import parsed
from limedbpb.v1 import admin_pb2, cluster_pb2, gossip_pb2, kv_pb2
from tests.envoy.test_json_fields import REFUSED, TAKEN, WRONG

FILES = (kv_pb2, cluster_pb2, gossip_pb2, admin_pb2)
BY_PATH = {
    "/api/v1/set": kv_pb2.SetRequest.DESCRIPTOR,
    "/api/v1/set/direct": kv_pb2.SetDirectRequest.DESCRIPTOR,
    "/api/v1/batch/set": kv_pb2.BatchSetRequest.DESCRIPTOR,
    "/api/v1/batch/get": kv_pb2.BatchGetRequest.DESCRIPTOR,
    "/api/v1/admin/decommission": admin_pb2.DecommissionRequest.DESCRIPTOR,
    "/api/v1/admin/repair": admin_pb2.RepairRequest.DESCRIPTOR,
    "/gossip": gossip_pb2.ExchangeRequest.DESCRIPTOR,
}
SET, BATCH = kv_pb2.SetRequest.DESCRIPTOR, kv_pb2.BatchSetRequest.DESCRIPTOR
REQUESTS = [
    method.input_type
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def refusal(data: str | bytes, message: Descriptor = SET) -> str:
    with pytest.raises(MalformedRequestError) as caught:
        parsed(data if isinstance(data, bytes) else data.encode(), message)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("path", "body", "words"), REFUSED)
def test_an_unknown_field_is_refused_as_in_rest(path: str, body: dict[str, Any], words: str) -> None:
    expected = words.replace('\\"', '"').replace("\\\\", "\\")
    assert refusal(json.dumps(body), BY_PATH[path]).startswith(expected)


@pytest.mark.parametrize(("body", "words"), WRONG[:-3])
def test_a_value_is_refused_as_in_rest(body: str, words: str) -> None:
    assert refusal(body).startswith(words.replace("1e300", "1e+300"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "the request is not JSON: it ends where there must be a value"),
        ("{", "the request is not JSON: it ends where there must be the name of a field"),
        ('{"key" 1}', "the request is not JSON: at character 8 there must be a colon"),
        ('{"key":"k" "a":1}', "the request is not JSON: at character 12 there must be a comma or the end"),
        ('{"key":}', "the request is not JSON: at character 8 there must be a value"),
        ('{"key":"k"} x', "the request is not JSON: extra data, character 13"),
        ('{"key":"k', "the request is not JSON: unterminated string starting at, character 8"),
        (b'{"key":"\xff"}', "byte 9 of the request is not UTF-8"),
        ('{"key":"k"}'.encode("utf-16"), "byte 1 of the request is not UTF-8"),
        (b'\xef\xbb\xbf{"key":"k"}', "the request begins with a byte order mark"),
        ("[]", "the request must be a JSON object; its fields are attempt, blob"),
        ("null", "the request must be a JSON object; its fields are attempt, blob"),
        ('{"key":"\\ud800"}', 'key="?": must be a string in UTF-8'),
        ('{"ttlMs":' + "9" * 5000 + "}", "the request has a number of too many digits"),
        ('{"ttlMs":' + "9" * 500 + "}", "ttlMs=a far larger number: must be a whole number"),
        ('{"key":' + "[" * 100_000, "the request is nested too deeply"),
        ('{"blob":"!!"}', 'blob="!!": must be base64'),
        ('{"key":5}', "key=5: must be a string"),
    ],
)
def test_what_is_no_request_is_refused_in_our_words(body: str | bytes, words: str) -> None:
    assert refusal(body).startswith(words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"writes":[{"key":"k"},{"key":5}]}', "writes[1]: key=5: must be a string"),
        ('{"writes":[{"key":"k","delete":"yes"}]}', 'writes[0]: delete="yes": must be true or false'),
        ('{"writes":[null]}', "writes[0]=null: must be an object; its fields are attempt, blob"),
        ('{"writes":{"key":"k"}}', "writes={...}: must be an array"),
        ('{"writes":[{"key":"k","key":"j"}]}', "writes[0]: field key is there twice in BatchWrite"),
        ('{"writes":[{"value":"v","delete":true}]}', "writes[0]: value and delete in BatchWrite: give one"),
    ],
)
def test_the_place_in_a_list_is_named(body: str, words: str) -> None:
    assert refusal(body, BATCH).startswith(words)


@pytest.mark.parametrize(("path", "body"), TAKEN)
def test_what_rest_takes_is_taken(path: str, body: dict[str, Any]) -> None:
    message = GetMessageClass(BY_PATH[path])
    fields = parsed(json.dumps(body).encode(), BY_PATH[path])
    assert json_format.ParseDict(fields, message()) == json_format.Parse(json.dumps(body), message())


@given(st.sampled_from(REQUESTS), st.data())
def test_whatever_passes_is_a_message(message: Descriptor, data: st.DataObject) -> None:
    """No request gets past the check of which protobuf would say that it isn't one."""
    names = [name for field in message.fields for name in (field.name, field.json_name)]
    body = data.draw(st.dictionaries(st.sampled_from(names), JUNK, max_size=3) if names else st.just({}))
    try:
        fields = parsed(json.dumps(body).encode(), message)
    except MalformedRequestError:
        return
    json_format.ParseDict(fields, GetMessageClass(message)())

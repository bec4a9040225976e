"""Requests of REST that are no requests: a line that names the field, and nothing is done.

Tests limedb/launch/field_values.lua, json_body.lua and rest_requests.lua.
"""

import gzip
import random
import re
from collections.abc import Callable

import pytest

from tests.envoy.gateway import Gateway

WHOLE = "must be a whole number from 0 to 18446744073709551615"
SMALL = "must be a whole number from 0 to 4294967295"
SET = "/api/v1/set"
BROKEN = [
    ("", "the body is not JSON: it ends where there must be the name of a field, in quotes"),
    ('"key', "the body is not JSON: it ends within the string of a name"),
    ('"key"', "the body is not JSON: it ends where there must be a colon after key"),
    ('"key":', "the body is not JSON: it ends where there must be the value of key"),
    ('"key":"k', "the body is not JSON: it ends within the string of key"),
    ('"key":"k\\', "the body is not JSON: it ends within the string of key"),
    ('"key":"k\\u12', "the body is not JSON: it ends within the string of key"),
    ('"key":"k"', "the body is not JSON: it ends where there must be a comma or } after key"),
    ('"key":"k",', "the body is not JSON: it ends where there must be the name of a field, in quotes"),
    ('"key":"k","ttlMs":', "the body is not JSON: it ends where there must be the value of ttlMs"),
    ('"key":"k",}', "the body is not JSON: at byte 12 there must be the name of a field, in quotes, not }"),
    ('"key" "k"}', 'the body is not JSON: at byte 8 there must be a colon after key, not "k"'),
    ('"key":"k" "value":"v"}', "the body is not JSON: at byte 12 there must be a comma or } after key, not"),
    ("'key':'k'}", "the body is not JSON: at byte 2 there must be the name of a field, in quotes, not 'key'"),
    ('"key":"k"}x', "the body has more after its object, at byte 12: send one object"),
    ('"key":"k"}{}', "the body has more after its object, at byte 12: send one object"),
    ('"key":"\\x"}', "key: JSON has no escape \\x"),
    ('"key":"\\u12"}', 'key: JSON has no escape \\u12"}'),
    ('"key":"\\ud800"}', "key: \\ud800 is half a character"),
    ('"key":"\\ud800\\u0041"}', "key: \\ud800 is half a character"),
    ('"key":"\\udc00"}', "key: \\udc00 is half a character"),
    ('"key":"a\nb"}', "key: JSON escapes control characters, as \\u000a for byte 10 of the body"),
    ('"key":"\udcff"}', "key: byte 9 of the body is not UTF-8"),
    ('"key":"\udced\udca0\udc80"}', "key: byte 9 of the body is not UTF-8"),
    ('"key":nul}', "key=nul: must be a string"),
]
TYPES = [
    ('"key":5', "key=5: must be a string"),
    ('"key":true', "key=true: must be a string"),
    ('"key":["k"]', "key=[...]: must be a string"),
    ('"key":{"a":1}', "key={...}: must be a string"),
    ('"value":7.5', "value=7.5: must be a string"),
    ('"ttlMs":"x"', f'ttlMs="x": {WHOLE}'),
    ('"ttlMs":"1e3"', f'ttlMs="1e3": {WHOLE}'),
    ('"ttlMs":"1.0"', f'ttlMs="1.0": {WHOLE}'),
    ('"ttlMs":" 5"', f'ttlMs=" 5": {WHOLE}'),
    ('"ttlMs":[]', f"ttlMs=[...]: {WHOLE}"),
    ('"ttlMs":{}', f"ttlMs={{...}}: {WHOLE}"),
    ('"ttlMs":01', f"ttlMs=01: {WHOLE}"),
    ('"ttlMs":1.8446744073709552e19', f"ttlMs=1.8446744073709552e19: {WHOLE}"),
    ('"attempt":4294967296', f"attempt=4294967296: {SMALL}"),
    ('"attempt":4.294967296e9', f"attempt=4.294967296e9: {SMALL}"),
    ('"blob":"!!!"', 'blob="!!!": must be base64'),
    ('"blob":"a"', 'blob="a": must be base64'),
    ('"blob":"aGk=="', 'blob="aGk==": must be base64'),
    ('"blob":"aG=k"', 'blob="aG=k": must be base64'),
    ('"blob":"a+_b"', 'blob="a+_b": must be base64'),
    ('"blob":"="', 'blob="=": must be base64'),
    ('"blob":[104,105]', "blob=[...]: must be base64"),
    ('"idempotencyKey":"??"', 'idempotencyKey="??": must be base64'),
    ('"consistency":true', "consistency=true: must be one of CONSISTENCY_ONE, CONSISTENCY_QUORUM,"),
    ('"consistency":17', "consistency=17: must be one of CONSISTENCY_ONE, CONSISTENCY_QUORUM,"),
    ('"consistency":"1"', 'consistency="1": must be one of CONSISTENCY_ONE, CONSISTENCY_QUORUM,'),
]
INNER = [
    ("batch/set", '{"writes":{"key":"k"}}', "writes={...}: must be an array"),
    ("batch/set", '{"writes":"x"}', 'writes="x": must be an array'),
    ("batch/set", '{"writes":[null]}', "writes[0]=null: must be an object; its fields are attempt, blob,"),
    ("batch/set", '{"writes":[{"key":"a","value":"b"},[]]}', "writes[1]=[...]: must be an object; its"),
    ("batch/set", '{"writes":[{"key":"a","value":"b"},{"key":7}]}', "writes[1]: key=7: must be a string"),
    ("batch/set", '{"writes":[{"key":"k","delete":"yes"}]}', 'writes[0]: delete="yes": must be true or fals'),
    ("batch/set", '{"writes":[{"key":"k","delete":1}]}', "writes[0]: delete=1: must be true or false"),
    ("batch/set", '{"writes":[{"key":"k","ttlMs":-1}]}', f"writes[0]: ttlMs=-1: {WHOLE}"),
    ("batch/set", '{"writes":[{"key":"k"}', "the body is not JSON: it ends where there must be a comma or ]"),
    ("batch/get", '{"keys":"k"}', 'keys="k": must be an array'),
    ("batch/get", '{"keys":["k",null]}', "keys[1]=null: must be a string"),
    ("batch/get", '{"keys":[["k"]]}', "keys[0]=[...]: must be a string"),
    (
        "batch/get",
        '{"keys":["k",]}',
        "the body is not JSON: at byte 14 there must be the value of keys[1], not ]",
    ),
    ("admin/decommission", '{"url":"http://a:1","dryRun":"true"}', 'dryRun="true": must be true or false'),
    ("admin/remove", '{"url":5}', "url=5: must be a string"),
]
QUERIES = [
    ("keys?pageSize=abc", f"pageSize=abc: {SMALL}"),
    ("keys?page_size=abc", f"pageSize=abc: {SMALL}"),
    ("keys?pageSize=-1", f"pageSize=-1: {SMALL}"),
    ("keys?pageSize=1e3", f"pageSize=1e3: {SMALL}"),
    ("keys?pageSize=1180591620717411303424", f"pageSize=1180591620717411303424: {SMALL}"),
    ("keys?pageSize=", f"pageSize=: {SMALL}"),
    ("keys?pageSize", f"pageSize=: {SMALL}"),
    ("keys?p%61ge=%201", f"page= 1: {SMALL}"),
    ("keys?page=1&page=2", "field page is there twice in ListKeysRequest: which one counts?"),
    ("scan?limit=4294967296", f"limit=4294967296: {SMALL}"),
    ("scan?keysOnly", "keysOnly=: must be true or false"),
    ("scan?local=maybe", "local=maybe: must be true or false"),
    ("scan?prefix=%FF", "prefix: must be UTF-8, percent-encoded"),
    ("scan?consistency=9", "consistency=9: must be one of CONSISTENCY_ONE,"),
    (
        "scan?prefx=a",
        "unknown parameter prefx in the query; this path takes after, consistency, end, keysOnly,",
    ),
    ("replicas/k?x=1", "unknown parameter x in the query; this path takes none"),
    ("watch?afterVersion=18446744073709551616", f"afterVersion=18446744073709551616: {WHOLE}"),
    ("watch?key=a&prefix=b", "key and prefix in WatchRequest: give one of them"),
    ("cluster/watch?intervalMs=1.5", f"intervalMs=1.5: {SMALL}"),
    ("get/%FF", "the key in the path must be UTF-8, percent-encoded"),
    ("get/a/?consistency=QUORM", "consistency=QUORM: must be one of"),
]


def refused(gateway: Gateway, method: str, path: str, content: bytes = b"", **headers: str) -> str:
    """Why a request is refused; nothing reached a node."""
    answer = gateway.client.request(method, path, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, 3), answer.text
    assert not any(node.calls for node in gateway.nodes)
    return str(answer.json()["message"])


@pytest.mark.parametrize(("rest", "message"), BROKEN)
def test_a_body_that_is_not_json_is_refused_at_its_place(gateway: Gateway, rest: str, message: str) -> None:
    body = ("{" + rest).encode("utf-8", "surrogateescape")
    assert refused(gateway, "POST", SET, body).startswith(message)


@pytest.mark.parametrize(("field", "message"), TYPES)
def test_a_field_of_the_wrong_kind_is_refused_by_its_name(gateway: Gateway, field: str, message: str) -> None:
    assert refused(gateway, "POST", SET, b"{%s}" % field.encode()).startswith(message)


@pytest.mark.parametrize(("path", "body", "message"), INNER)
def test_an_item_that_is_none_is_refused_by_its_place(
    gateway: Gateway, path: str, body: str, message: str
) -> None:
    assert refused(gateway, "POST", f"/api/v1/{path}", body.encode()).startswith(message)


@pytest.mark.parametrize(("path", "message"), QUERIES)
def test_a_parameter_of_the_wrong_kind_is_refused_by_its_name(
    gateway: Gateway, path: str, message: str
) -> None:
    assert refused(gateway, "GET", f"/api/v1/{path}").startswith(message)


@pytest.mark.parametrize(
    "path",
    ["keys?page=2&pageSize=007", "scan?keysOnly=1&local=FALSE&consistency=2&node=", "scan?prefix=%C3%A9"],
)
def test_parameters_of_the_right_kind_are_taken(gateway: Gateway, path: str) -> None:
    """The stand-in has no scan: 501 is its own answer."""
    assert gateway.client.get(f"/api/v1/{path}").status_code in (200, 501)
    assert sum(len(node.calls) for node in gateway.nodes) == 1


@pytest.mark.parametrize(
    "blob", ["", "aGk=", "aGk", "aG k=\\n", "a-_b", "a\\/+b", "aGk\\u003d", "aGl=", "\\r\\naGk=\\r\\n"]
)
def test_base64_is_taken_as_programs_write_it(gateway: Gateway, blob: str) -> None:
    answer = gateway.client.post(SET, content=f'{{"key":"k","blob":"{blob}"}}')
    assert answer.text == "OK"


def test_a_field_in_the_query_and_in_the_body_is_there_twice(gateway: Gateway) -> None:
    body = b'{"keys":["a"]}'
    message = "field keys is there twice in BatchGetRequest: which one counts?"
    assert refused(gateway, "POST", "/api/v1/batch/get?keys=b", body) == message
    body = b'{"key":"k","blob":"aGk="}'
    message = "value and blob in SetRequest: give one of them"
    assert refused(gateway, "POST", f"{SET}?value=v", body) == message


@pytest.mark.parametrize(("method", "path"), [("GET", "get/a"), ("DELETE", "del/a"), ("GET", "scan")])
def test_a_body_where_none_belongs_is_refused(gateway: Gateway, method: str, path: str) -> None:
    body = b'{"consistency":"CONSISTENCY_ALL"}'
    assert refused(gateway, method, f"/api/v1/{path}", body) == (
        "this path takes no body: put its fields into the query"
    )
    assert gateway.client.request(method, "/api/v1/get/a", content=b"{}").status_code != 400


def test_a_body_in_another_encoding_is_415(gateway: Gateway) -> None:
    text = '{"key":"k","value":"v"}'
    told = [
        ({"content-type": "application/json; charset=utf-16"}, text.encode("utf-16"), "charset=utf-16: send"),
        (
            {"content-type": 'application/json;charset="ISO-8859-1"'},
            text.encode(),
            "charset=iso-8859-1: send JSON in",
        ),
        ({"content-encoding": "gzip"}, gzip.compress(text.encode()), "content-encoding=gzip: send the body"),
    ]
    for headers, body, message in told:
        answer = gateway.client.post(SET, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, 3)
        assert answer.json()["message"].startswith(message)
    assert refused(gateway, "POST", SET, b"\xef\xbb\xbf" + text.encode()).startswith(
        "the body begins with a byte"
    )
    assert refused(gateway, "POST", SET, text.encode("utf-16")).startswith("the body must be a JSON object")


@pytest.mark.parametrize(
    "content_type",
    ["", "application/x-www-form-urlencoded", 'application/json; charset="UTF-8"'],
)
def test_what_is_json_needs_no_name_for_it(gateway: Gateway, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = gateway.client.post(SET, content=b'{"key":"k","value":"v"}', headers=headers)
    assert answer.text == "OK"


OURS = re.compile(
    "must be|the body is not JSON|unknown field|there twice|give one of them|JSON has no escape"
    "|is half a character|JSON escapes control|is not UTF-8|more after its object"
    "|the body is empty|byte order mark"
)
WHOLE_BODIES = [
    '{"key":"k\\u00e9","value":"a\\"b","ttlMs":12,"consistency":"CONSISTENCY_ONE","attempt":"7"}',
    '{"key":"ü🍋","blob":"aGk=","expiresAtMs":1.9e12,"idempotencyKey":"AAAA-_"}',
    '{ "key" : "k" , "value" : null , "blob" : "YQ==", "consistency" : 2 }',
]
PIECES = [
    '"',
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "1",
    "-",
    "e9",
    ".5",
    "\\u",
    "\\ud83c",
    "é",
    "\0",
    " ",
    "=",
]


def _mutations(chance: random.Random) -> Callable[[str], bytes]:
    def mutate(body: str) -> bytes:
        for _ in range(chance.randint(1, 3)):
            at, end = sorted(chance.choices(range(len(body) + 1), k=2))
            end = min(end, at + chance.randint(0, 6))
            body = body[:at] + chance.choice(["", *PIECES]) + body[end:]
        data = body.encode()
        return data[: chance.randint(1, len(data) + 1)] if data and chance.random() < 0.2 else data

    return mutate


@pytest.mark.parametrize("seed", range(4))
def test_no_body_is_left_to_the_words_of_the_transcoder(gateway: Gateway, seed: int) -> None:
    chance = random.Random(seed)
    mutate = _mutations(chance)
    for _ in range(150):
        body = mutate(chance.choice(WHOLE_BODIES))
        for node in gateway.nodes:
            node.calls.clear()
        answer = gateway.client.post(SET, content=body)
        if not any(node.calls for node in gateway.nodes):
            assert answer.status_code == 400, (body, answer.text)
            message = answer.json()["message"]
            assert OURS.search(message), (body, message)
            assert "\n" not in message, (body, message)

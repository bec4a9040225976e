"""Every REST path of the Go LimeDB, through a real Envoy, with its exact shape; and every error.

Tests limedb/rpc/server/kv.py.
"""

import base64
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.keys import new_key, new_key_of
from tests.support.rest import JSON, get_path, refused
from tests.support.waiting import wait_for

TEXT = "text/plain"


class TestSetGetDelete:
    def test_set_answers_ok_as_text(self, rest: httpx.Client) -> None:
        answer = rest.post("/api/v1/set", json={"key": new_key(), "value": "x"})
        assert (answer.status_code, answer.text) == (200, "OK")
        assert answer.headers["content-type"].startswith(TEXT)

    def test_get_answers_the_value_and_its_node_from_every_node(
        self, rest: httpx.Client, urls: list[str]
    ) -> None:
        owner = urls[2]
        key = new_key_of(owner, urls)
        rest.post("/api/v1/set", json={"key": key, "value": "x"}).raise_for_status()
        for url in urls:
            answer = rest.get(get_path(key), params={"node": url})
            found = answer.json()
            assert int(found.pop("version")) > 1 << 40
            assert (answer.status_code, found) == (200, {"value": "x", "nodeUrl": owner, "expiresAtMs": "0"})

    def test_delete_answers_one_then_zero_as_text(self, rest: httpx.Client) -> None:
        key = new_key()
        rest.post("/api/v1/set", json={"key": key, "value": "x"}).raise_for_status()
        answers = [rest.delete(f"/api/v1/del/{key}") for _ in range(2)]
        assert [(a.status_code, a.text) for a in answers] == [(200, "1"), (200, "0")]
        assert all(a.headers["content-type"].startswith(TEXT) for a in answers)

    def test_a_missing_key_is_404(self, rest: httpx.Client) -> None:
        assert refused(rest.get(get_path(new_key())), 404, 5).endswith("key not found")

    def test_a_missing_key_of_another_node_is_404_too(self, rest: httpx.Client, urls: list[str]) -> None:
        key = new_key_of(urls[1], urls)
        answer = rest.get(get_path(key), params={"node": urls[0]})
        assert refused(answer, 404, 5) == "key not found"

    def test_a_deleted_key_is_404_and_can_be_set_again(self, rest: httpx.Client) -> None:
        key = new_key()
        for value in ("first", "second"):
            rest.post("/api/v1/set", json={"key": key, "value": value}).raise_for_status()
            assert rest.get(get_path(key)).json()["value"] == value
            rest.delete(f"/api/v1/del/{key}").raise_for_status()
            assert rest.get(get_path(key)).status_code == 404

    def test_an_empty_value_is_a_value(self, rest: httpx.Client) -> None:
        key = new_key()
        assert rest.post("/api/v1/set", json={"key": key, "value": ""}).text == "OK"
        assert rest.get(get_path(key)).json()["value"] == ""

    def test_a_value_of_4_mib_is_stored(self, rest: httpx.Client) -> None:
        key, value = new_key(), '"' * (4 << 20)
        assert rest.post("/api/v1/set", json={"key": key, "value": value}).text == "OK"
        assert rest.get(get_path(key)).json()["value"] == value
        rest.delete(f"/api/v1/del/{key}").raise_for_status()  # a page of keys with it would be too large

    def test_bytes_come_back_as_base64(self, rest: httpx.Client) -> None:
        key, blob = new_key(), base64.b64encode(bytes(range(256))).decode()
        assert rest.post("/api/v1/set", json={"key": key, "blob": blob}).text == "OK"
        assert rest.get(get_path(key)).json()["blob"] == blob

    def test_a_value_with_a_time_to_live_ends(self, rest: httpx.Client) -> None:
        key = new_key()
        rest.post("/api/v1/set", json={"key": key, "value": "x", "ttlMs": 1}).raise_for_status()
        wait_for("the value ends", lambda: rest.get(get_path(key)).status_code == 404)

    @pytest.mark.parametrize(
        "suffix",
        ["/", "a/b", "a//b", "a/../b", "a%2Fb", "a%252Fb", " ", "a b", "%", "?", "?key=b", "#", "&", "+",
         "'", '"', "\\", "a:b", ".", "..", "é", "日本", "😀", "{}", "<script>", "\t", "\n"],
    )  # fmt: skip
    def test_any_text_is_a_key(self, rest: httpx.Client, suffix: str) -> None:
        key = f"{new_key()}{suffix}"
        assert rest.post("/api/v1/set", json={"key": key, "value": suffix}).text == "OK"
        assert rest.get(get_path(key)).json()["value"] == suffix
        assert rest.delete(f"/api/v1/del/{quote(key, safe='')}").text == "1"

    def test_slashes_may_stay_as_they_are(self, rest: httpx.Client) -> None:
        key = f"{new_key()}/a/b"
        rest.post("/api/v1/set", json={"key": key, "value": "x"}).raise_for_status()
        assert rest.get(f"/api/v1/get/{key}").json()["value"] == "x"

    @pytest.mark.parametrize("character", ["x", "€", "😀"])
    def test_keys_of_4_kib_are_taken_and_longer_ones_refused(
        self, rest: httpx.Client, character: str
    ) -> None:
        key = new_key() + character * ((4096 - 34) // len(character.encode()))
        key += "x" * (4096 - len(key.encode()))
        assert rest.post("/api/v1/set", json={"key": key, "value": "long"}).text == "OK"
        assert rest.get(get_path(key)).json()["value"] == "long"
        assert rest.delete(f"/api/v1/del/{quote(key, safe='')}").text == "1"
        message = refused(rest.get(get_path(key + "x")), 400, 3)
        assert message == "key of 4097 bytes is too long: a key has 1 to 4096 bytes of UTF-8"

    @pytest.mark.parametrize("path", ["/api/v1/get/", "/api/v1/del/"])
    def test_no_key_at_all_is_400(self, rest: httpx.Client, path: str) -> None:
        answer = rest.delete(path) if "del" in path else rest.get(path)
        assert "key is empty" in refused(answer, 400, 3)

    def test_a_key_that_is_not_utf8_is_400(self, rest: httpx.Client) -> None:
        assert "UTF-8" in refused(rest.get("/api/v1/get/%FF%FE"), 400, 3)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"value": "x"}, "key is empty"),
            ({"key": "", "value": "x"}, "key is empty"),
            ({"key": "k"}, "set value (text) or blob (bytes)"),
            (
                {"key": "k", "value": "x" * (4 << 20) + "x"},
                "value of 4194305 bytes for key 'k' is over the limit",
            ),
            ({"key": "k", "value": "x", "ttlMs": 1 << 63}, "100 years"),
        ],
    )
    def test_a_set_that_makes_no_sense_is_400(
        self, rest: httpx.Client, body: dict[str, object], words: str
    ) -> None:
        assert words in refused(rest.post("/api/v1/set", json=body), 400, 3)

    @pytest.mark.parametrize("body", ["", "{", "[]", '"x"', '{"key": 1, "value": {}}', "nonsense"])
    def test_a_body_that_is_not_a_set_is_400(self, rest: httpx.Client, body: str) -> None:
        refused(rest.post("/api/v1/set", content=body, headers={"content-type": JSON}), 400, 3)

    def test_a_value_of_one_mebibyte_is_taken(self, rest: httpx.Client) -> None:
        key, value = new_key(), '"\n' * (1 << 19)
        assert rest.post("/api/v1/set", json={"key": key, "value": value}).text == "OK"
        assert rest.get(get_path(key)).json()["value"] == value

    def test_a_body_far_over_the_limit_is_413(self, rest: httpx.Client) -> None:
        refused(rest.post("/api/v1/set", json={"key": "k", "value": "x" * (64 << 20)}), 413, 8)


class TestSetDirect:
    def test_it_writes_where_it_is_asked_and_is_never_routed(
        self, rest: httpx.Client, urls: list[str]
    ) -> None:
        key = new_key_of(urls[0], urls)
        answer = rest.post("/api/v1/set/direct", params={"node": urls[1]}, json={"key": key, "value": "x"})
        assert (answer.status_code, answer.text) == (200, "OK")
        assert rest.get(get_path(key)).status_code == 404  # its owner has not been told
        held = rest.get("/api/v1/keys", params={"node": urls[1], "pageSize": 1000}).json()
        assert key in [entry["key"] for entry in held["keys"]]


class TestKeys:
    def test_a_page_of_the_nodes_own_keys(self, rest: httpx.Client, urls: list[str]) -> None:
        keys = sorted(new_key_of(urls[3], urls) for _ in range(3))
        for key in keys:
            rest.post("/api/v1/set", json={"key": key, "value": "é"}).raise_for_status()
        page = rest.get("/api/v1/keys", params={"page": 1, "pageSize": 1000, "node": urls[3]}).json()
        assert set(page) == {"keys", "total", "page", "pageSize", "totalPages"}
        listed = [entry["key"] for entry in page["keys"]]
        assert listed == sorted(listed, key=str.encode)
        assert [entry for entry in page["keys"] if entry["key"] in keys] == [
            {"key": key, "value": "é", "size": 2} for key in keys
        ]
        assert page["total"] >= 3

    def test_pages_follow_each_other(self, rest: httpx.Client, urls: list[str]) -> None:
        for _ in range(5):
            rest.post("/api/v1/set", json={"key": new_key_of(urls[3], urls), "value": "x"}).raise_for_status()
        at = {"node": urls[3], "pageSize": 2}
        first, second = (rest.get("/api/v1/keys", params={**at, "page": n}).json() for n in (1, 2))
        assert (first["page"], first["pageSize"], len(first["keys"])) == (1, 2, 2)
        assert first["totalPages"] == -(-first["total"] // 2)
        after = rest.get("/api/v1/keys", params={**at, "after": first["keys"][-1]["key"]}).json()
        assert after["keys"] == second["keys"]

    def test_the_defaults_are_page_1_of_20(self, rest: httpx.Client) -> None:
        page = rest.get("/api/v1/keys").json()
        assert (page["page"], page["pageSize"]) == (1, 20)

    def test_a_page_that_is_too_large_is_made_smaller(self, rest: httpx.Client) -> None:
        page = rest.get("/api/v1/keys?pageSize=5000").json()
        assert (page["page"], page["pageSize"]) == (1, 1000)

    @pytest.mark.parametrize("query", ["page=x", "page=-1", "page=2&after=k"])
    def test_a_page_that_makes_no_sense_is_400(self, rest: httpx.Client, query: str) -> None:
        refused(rest.get(f"/api/v1/keys?{query}"), 400, 3)


class TestBatches:
    def test_a_batch_over_all_nodes(self, rest: httpx.Client, urls: list[str]) -> None:
        keys = [new_key_of(url, urls) for url in urls]
        writes = [{"key": key, "value": key} for key in keys]
        done = rest.post("/api/v1/batch/set", json={"writes": writes}).json()["results"]
        assert [(r["receipt"]["acked"], r["receipt"]["replicas"], r["existed"]) for r in done] == [
            (1, 1, False)
        ] * 4
        mixed = [{"key": keys[0], "delete": True}, {"key": keys[1], "value": "new"}]
        done = rest.post("/api/v1/batch/set", json={"writes": mixed}).json()["results"]
        assert [r["existed"] for r in done] == [True, True]
        got = rest.post("/api/v1/batch/get", json={"keys": [keys[1], "none", keys[0], keys[2]]}).json()[
            "results"
        ]
        assert [(r["found"], r.get("value")) for r in got] == [
            (True, "new"), (False, None), (False, None), (True, keys[2]),
        ]  # fmt: skip

    @pytest.mark.parametrize("path", ["get", "set"])
    def test_an_empty_batch_is_400(self, rest: httpx.Client, path: str) -> None:
        assert "must be 1 to 10000" in refused(rest.post(f"/api/v1/batch/{path}", json={}), 400, 3)

    def test_a_bad_item_refuses_the_whole_batch(self, rest: httpx.Client) -> None:
        key = new_key()
        batch = {"writes": [{"key": key, "value": "x"}, {"key": "", "value": "x"}]}
        assert "key is empty" in refused(rest.post("/api/v1/batch/set", json=batch), 400, 3)
        assert rest.get(get_path(key)).status_code == 404

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"delete": True, "ttlMs": 1000}, "ttlMs=1000 for key 'k': a delete has none; leave it out"),
            ({"delete": True, "expiresAtMs": 2 * 10**12}, "expiresAtMs=2000000000000 for key 'k': a delete"),
            ({"value": "v", "ttlMs": 5, "expiresAtMs": 2 * 10**12}, "ttlMs=5 and expiresAtMs=2000000000000"),
            ({"value": "v", "delete": True}, "value and delete in BatchWrite: give one of them"),
            ({"value": "v", "attempt": 2}, "idempotencyKey of 0 bytes: must be 16 to 64 bytes"),
        ],
    )
    def test_a_write_that_is_two_things_is_refused_by_its_place(
        self, rest: httpx.Client, more: dict[str, Any], message: str
    ) -> None:
        key = new_key()
        batch = {"writes": [{"key": key, "value": "x"}, {"key": "k", **more}]}
        assert refused(rest.post("/api/v1/batch/set", json=batch), 400, 3).startswith(f"writes[1]: {message}")
        assert rest.get(get_path(key)).status_code == 404
        if "delete" not in more:
            alone = refused(rest.post("/api/v1/set", json={"key": "k", **more}), 400, 3)
            assert alone.startswith(message)

    def test_an_answer_that_would_be_too_large_says_what_to_do(
        self, rest: httpx.Client, urls: list[str]
    ) -> None:
        for owners in ([urls[0]] * 5, [*urls, urls[0]]):
            keys = [new_key_of(owner, urls) for owner in owners]
            for key in keys:
                rest.post("/api/v1/set", json={"key": key, "value": "x" * (1 << 20)}).raise_for_status()
            message = refused(rest.post("/api/v1/batch/get", json={"keys": keys}), 429, 8)
            assert "ask for fewer keys at once" in message


class TestConditions:
    def test_a_write_requires_the_version_that_a_get_answered(self, rest: httpx.Client) -> None:
        key = new_key()
        created = {"key": key, "value": "1", "ifAbsent": True}
        assert rest.post("/api/v1/set", json=created).text == "OK"
        answer = rest.post("/api/v1/set", json=created)
        assert answer.json()["details"][0]["reason"] == "CONDITION_FAILED"
        found = rest.get(get_path(key))
        tag, version = found.headers["etag"], found.json()["version"]
        assert tag == f'"{version}"'
        assert (answer.status_code, answer.headers["etag"]) == (412, tag)
        assert rest.get(get_path(key), headers={"if-none-match": tag}).status_code == 304
        changed = {"key": key, "value": "2"}
        assert rest.post("/api/v1/set", json=changed, headers={"if-match": tag}).text == "OK"
        assert rest.post("/api/v1/set", json=changed, headers={"if-match": tag}).status_code == 412
        assert rest.delete(f"/api/v1/del/{key}", params={"ifVersion": version}).status_code == 412
        assert rest.get(get_path(key), headers={"if-none-match": tag}).json()["value"] == "2"
        assert rest.delete(f"/api/v1/del/{key}", params={"ifValue": "2"}).text == "1"
        assert rest.delete(f"/api/v1/del/{key}", headers={"if-match": "*"}).status_code == 412

    def test_each_write_of_a_batch_is_judged_by_itself(self, rest: httpx.Client) -> None:
        there, absent, plain = new_key(), new_key(), new_key()
        rest.post("/api/v1/set", json={"key": there, "value": "now"}).raise_for_status()
        writes: list[dict[str, Any]] = [
            {"key": there, "value": "x", "condition": {"version": "1", "wantsCurrent": True}},
            {"key": absent, "value": "x", "ifVersion": "0"},
            {"key": plain, "value": "x"},
        ]
        failed, created, stored = rest.post("/api/v1/batch/set", json={"writes": writes}).json()["results"]
        info, current = failed["error"]["details"]
        assert (info["reason"], info["metadata"]["key"]) == ("CONDITION_FAILED", there)
        assert (current["value"], current["version"]) == ("now", info["metadata"]["version"])
        assert int(created["receipt"]["version"]) > 0
        assert int(stored["receipt"]["version"]) > 0
        read = rest.post("/api/v1/batch/get", json={"keys": [there, absent]}).json()["results"]
        assert [(each["value"], int(each["version"]) > 0) for each in read] == [("now", True), ("x", True)]

    def test_nonsense_is_refused(self, rest: httpx.Client) -> None:
        body = {"key": new_key(), "value": "x", "keepTtl": True, "ttlMs": 5}
        assert "keepTtl and ttlMs=5" in refused(rest.post("/api/v1/set", json=body), 400, 3)
        empty = {"key": new_key(), "value": "x", "condition": {}}
        assert "condition for key" in refused(rest.post("/api/v1/set", json=empty), 400, 3)

"""What tests of REST share: paths, and the shape of errors.

It owns both. It must never send anything.
"""

from urllib.parse import quote

import httpx

JSON = "application/json"


def get_path(key: str) -> str:
    return f"/api/v1/get/{quote(key, safe='')}"


def refused(answer: httpx.Response, status: int, code: int) -> str:
    """The message of an error, once its shape is seen to be right."""
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"].startswith(JSON)
    body = answer.json()
    assert set(body) == {"code", "message", "details"}
    assert body["code"] == code
    return str(body["message"])

"""Where a process may listen, and what the refusal says."""

import pytest

from limedb.core.exposure import Entrance, Exposure, check_exposure, exposure_of, host_of, is_loopback
from limedb.errors import ExposedError


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("169.254.1.1", False),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", False),
        ("node1", False),
        ("127.example.com", False),  # a name, which leads anywhere
        ("127.1", False),  # not an address as others read it
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_loopback_is_an_address_of_this_machine_alone(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local


@pytest.mark.parametrize(
    ("address", "host"), [("[::]:8484", "::"), ("0.0.0.0:1", "0.0.0.0"), ("localhost:80", "localhost")]
)
def test_the_host_of_an_address(address: str, host: str) -> None:
    assert host_of(address) == host


NEAR, FAR, FAR6 = "127.0.0.1:7001", "0.0.0.0:8484", "[::]:8484"


@pytest.mark.parametrize(
    ("entrances", "found"),
    [
        ([], None),
        ([Entrance(NEAR, False, False)], None),
        ([Entrance("[::1]:7001", False, False)], None),
        ([Entrance(FAR, True, True), Entrance(FAR6, True, True)], None),
        ([Entrance(FAR, False, False)], Exposure((FAR,), True, True)),
        ([Entrance(FAR6, False, False)], Exposure((FAR6,), True, True)),
        ([Entrance(FAR, True, False)], Exposure((FAR,), False, True)),
        ([Entrance(FAR, False, True)], Exposure((FAR,), True, False)),
        ([Entrance(NEAR, False, False), Entrance(FAR, True, False)], Exposure((FAR,), False, True)),
        ([Entrance(FAR, True, True), Entrance(FAR6, False, True)], Exposure((FAR6,), True, False)),
        ([Entrance(FAR, True, False), Entrance(FAR6, False, True)], Exposure((FAR, FAR6), True, True)),
    ],
)
def test_what_lies_open_is_what_lacks_something_beyond_loopback(
    entrances: list[Entrance], found: Exposure | None
) -> None:
    assert exposure_of(entrances) == found


def remedy(exposure: Exposure) -> str:
    return f"Mend {exposure.lacks}"


def test_the_refusal_is_one_line_with_the_address_the_remedy_and_the_override() -> None:
    with pytest.raises(ExposedError) as error:
        check_exposure("the node", [Entrance(FAR, False, False)], False, remedy)
    assert str(error.value) == (
        "the node would listen at 0.0.0.0:8484, which other machines reach, without TLS and authentication."
        " Mend TLS and authentication (docs/security.md). INSECURE=true starts it as it is, open to anyone"
        " who reaches it"
    )


@pytest.mark.parametrize(
    ("entrance", "words"),
    [
        (Entrance(FAR, False, False), "anyone who reaches it can read, write and change everything"),
        (Entrance(FAR, True, False), "without authentication: anyone who reaches it can read, write"),
        (Entrance(FAR, False, True), "without TLS: anyone on the way to it can read along, tokens too"),
    ],
)
def test_the_override_lets_it_listen_with_a_warning(entrance: Entrance, words: str) -> None:
    warning = check_exposure("the node", [entrance], True, remedy)
    assert warning.startswith("INSECURE=true: the node listens at 0.0.0.0:8484")
    assert words in warning


@pytest.mark.parametrize("insecure", [False, True])
def test_what_needs_no_override_gets_no_warning(insecure: bool) -> None:
    for entrance in (Entrance(NEAR, False, False), Entrance(FAR, True, True)):
        assert check_exposure("the node", [entrance], insecure, remedy) == ""

"""Which files of a build are read, and as what."""

from pathlib import Path

import pytest

from limedb.errors import AssetNotFoundError
from limedb.rpc.server.assets import read_asset


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build beside a secret."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets/a-1.js").write_text("1")
    (folder / "assets/strange.bin").write_text("?")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.mark.parametrize("path", ["", "dashboard", "dashboard/nodes", "dashboard/"])
def test_a_page_is_the_index_and_is_asked_for_each_time(build: Path, path: str) -> None:
    asset = read_asset(build, path)
    assert (asset.content, asset.content_type, asset.cache) == (
        b"<!doctype html>",
        "text/html; charset=utf-8",
        "no-cache",
    )


def test_a_file_has_its_type_and_is_kept_forever(build: Path) -> None:
    asset = read_asset(build, "assets/a-1.js")
    assert (asset.content, asset.content_type) == (b"1", "text/javascript; charset=utf-8")
    assert "immutable" in asset.cache
    assert read_asset(build, "assets/strange.bin").content_type == "application/octet-stream"


def test_other_content_has_another_tag(build: Path) -> None:
    before = read_asset(build, "").tag
    assert read_asset(build, "").tag == before
    (build / "index.html").write_text("other")
    assert read_asset(build, "").tag != before


@pytest.mark.parametrize(
    "path",
    [
        "assets/none.js",
        "../secret.txt",
        "assets/../../secret.txt",
        "/etc/hostname.x",
        "./index.html",
        "a\0.js",
    ],
)
def test_nothing_outside_and_nothing_else_is_found(build: Path, path: str) -> None:
    with pytest.raises(AssetNotFoundError):
        read_asset(build, path)


def test_an_absolute_path_is_no_way_out(build: Path) -> None:
    with pytest.raises(AssetNotFoundError):
        read_asset(build, str(build.parent / "secret.txt"))


def test_without_a_build_a_page_says_how_to_make_one(tmp_path: Path) -> None:
    assert b"make web" in read_asset(tmp_path / "none", "").content
    with pytest.raises(AssetNotFoundError):
        read_asset(tmp_path / "none", "assets/a-1.js")

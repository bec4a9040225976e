"""What the package shows of itself: its names, and its version, which stands in one place."""

import pydoc
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import limedb

ROOT = Path(__file__).parents[1]


def test_help_shows_how_to_connect() -> None:
    text = pydoc.plain(pydoc.render_doc(limedb))
    assert "\n    connect(addresses: str, *, consistency" in text
    assert "\n    connect_sync(addresses: str, *, consistency" in text


def test_completion_shows_what_is_loaded_later() -> None:
    assert {"connect", "connect_sync"} <= {*dir(limedb)}


@pytest.mark.process
def test_the_client_is_loaded_only_when_it_is_asked_for() -> None:
    script = "import sys, limedb; dir(limedb); sys.exit('limedb.client' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_images_of_compose_have_the_version_of_the_package() -> None:
    for name in ("docker-compose.yml", "docker-compose.dev.yml"):
        tags = re.findall(r"image: limedb(?:-dev)?:(\S+)", (ROOT / name).read_text())
        assert set(tags) == {limedb.__version__}, name


def test_the_changelog_begins_with_this_version_and_its_date() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert releases[0][0] == limedb.__version__
    numbers = [tuple(map(int, number.split("."))) for number, _ in releases]
    assert numbers == sorted(numbers, reverse=True)
    assert [day for _, day in releases] == sorted((day for _, day in releases), reverse=True)


def test_the_contract_to_compare_with_is_that_of_one_release() -> None:
    (release,) = (ROOT / "tests" / "released").iterdir()
    assert f"## [{release.name}] - " in (ROOT / "CHANGELOG.md").read_text()

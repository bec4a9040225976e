"""The lock file of the dashboard's packages: every build, anywhere, gets the same bytes."""

import json
from pathlib import Path

LOCK = Path(__file__).parents[2] / "web" / "package-lock.json"


def test_every_package_has_a_hash_and_none_names_a_registry() -> None:
    packages = {name: told for name, told in json.loads(LOCK.read_text())["packages"].items() if name}
    fetched = {name: told for name, told in packages.items() if not told.get("inBundle")}
    assert [name for name, told in fetched.items() if not told.get("integrity")] == []
    assert [name for name, told in packages.items() if "resolved" in told] == []

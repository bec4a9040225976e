"""All that is here simulates a cluster."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is simulated is marked so."""
    for item in items:
        if "simulation" in item.path.parts:
            item.add_marker(pytest.mark.simulation)

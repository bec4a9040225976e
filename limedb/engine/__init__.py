"""The parts of a node behind its ports, put together.

`engine` wires them, `world` has what it is given.
"""

from limedb.engine.engine import Engine
from limedb.engine.world import Settings, World

__all__ = ["Engine", "Settings", "World"]

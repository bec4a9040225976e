"""A node: the composition root, and its process."""

from limedb.node.process import run

__all__ = ["run"]

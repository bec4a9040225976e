"""What a server calls: the types of methods, of their contexts and of what is checked before."""

from collections.abc import Callable
from typing import Any

import grpc

Context = grpc.aio.ServicerContext[bytes, bytes]
Behaviour = Callable[[Any, Context], Any]
"""A unary method returns an awaitable message, a streaming one an async generator of messages."""
Check = Callable[[Context], None]
"""Raises the refusal of a call before it begins."""

"""Calls that manage users, and identify the caller.

It owns their conversion. It must never store or print a token.

Tested in tests/scenarios/test_access.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from limedb.operator.calls import Caller
from limedb.operator.connections import connection
from limedb.tls.target import Target, target_of
from limedb.wire.channels import options_for
from limedbpb.v1 import access_pb2, access_pb2_grpc


@dataclass(frozen=True, slots=True)
class UserInfo:
    """A user. roles: as ROLE or ROLE:PREFIX. Times in milliseconds since 1970; created_at_ms 0: unknown;
    expires_at_ms 0: never.
    """

    name: str
    roles: tuple[str, ...]
    created_at_ms: int
    expires_at_ms: int


class UserClient(Caller):
    """Manages users."""

    def __init__(self, target: Target, channel: grpc.Channel, timeout: float) -> None:
        super().__init__(target, channel, timeout)
        self._access = access_pb2_grpc.AccessServiceStub(channel)

    def who_am_i(self) -> UserInfo:
        """Return the identity of the caller."""
        request = access_pb2.WhoAmIRequest()
        return _info(self._call(lambda: self._access.WhoAmI(request, timeout=self._timeout)).user)

    def add(self, name: str, roles: Sequence[str], expires_at_ms: int = 0) -> tuple[UserInfo, str]:
        """Add a user; return it and its token."""
        request = access_pb2.AddUserRequest(name=name, roles=roles, expires_at_ms=expires_at_ms)
        answer = self._call(lambda: self._access.AddUser(request, timeout=self._timeout))
        return _info(answer.user), answer.token

    def all(self) -> list[UserInfo]:
        """Return the users that the caller may manage."""
        request = access_pb2.ListUsersRequest()
        answer = self._call(lambda: self._access.ListUsers(request, timeout=self._timeout))
        return [*map(_info, answer.users)]

    def delete(self, name: str) -> UserInfo:
        """Remove a user."""
        request = access_pb2.DeleteUserRequest(name=name)
        return _info(self._call(lambda: self._access.DeleteUser(request, timeout=self._timeout)).user)

    def rotate(self, name: str, expires_at_ms: int = 0) -> tuple[UserInfo, str]:
        """Replace a user's token; return the user and the new token. expires_at_ms: 0: as the old one."""
        request = access_pb2.RotateTokenRequest(name=name, expires_at_ms=expires_at_ms)
        answer = self._call(lambda: self._access.RotateToken(request, timeout=self._timeout))
        return _info(answer.user), answer.token

    def add_join_token(self, node_url: str, hosts: Sequence[str], ttl_ms: int) -> str:
        """Return a token with which a new node obtains its certificate."""
        request = access_pb2.AddJoinTokenRequest(node_url=node_url, hosts=hosts, ttl_ms=ttl_ms)
        return str(self._call(lambda: self._access.AddJoinToken(request, timeout=self._timeout)).token)


@contextmanager
def user_client(target: Target | str, timeout: float) -> Iterator[UserClient]:
    """Open a client of the node or Envoy at target (host:port: without TLS) for the block."""
    to = target_of(target).first
    with connection(to, options_for(timeout)) as channel:
        yield UserClient(to, channel, timeout)


def _info(user: access_pb2.User) -> UserInfo:
    return UserInfo(user.name, tuple(user.roles), user.created_at_ms, user.expires_at_ms)

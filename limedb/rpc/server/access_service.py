"""AccessService: check, call, convert.

Tested in tests/scenarios/test_access.py.
"""

from limedb.access.joining import Joining
from limedb.access.users import User, Users
from limedb.ports import Clock
from limedb.rpc.server.behaviour import Context
from limedb.rpc.server.gate import Gate
from limedbpb.v1 import access_pb2, access_pb2_grpc

LOOK_SECONDS = 5.0
"""How long a change may take where the caller sets no deadline."""


class AccessServicer(access_pb2_grpc.AccessServiceServicer):
    """Serves the management of users, and of the certificates of new nodes."""

    service = access_pb2.DESCRIPTOR.services_by_name["AccessService"]

    def __init__(self, gate: Gate, users: Users, joining: Joining, clock: Clock) -> None:
        self._gate, self._users, self._joining, self._clock = gate, users, joining, clock

    async def WhoAmI(self, request: access_pb2.WhoAmIRequest, context: Context) -> access_pb2.WhoAmIResponse:
        own = await self._gate.caller(context)
        user = access_pb2.User(name=own.name, roles=[*map(str, own.grants)], expires_at_ms=own.expires_at_ms)
        return access_pb2.WhoAmIResponse(user=user)

    async def AddUser(
        self, request: access_pb2.AddUserRequest, context: Context
    ) -> access_pb2.AddUserResponse:
        by = await self._gate.caller(context)
        deadline = self._deadline(context)
        user, token = await self._users.add(
            by, request.name, [*request.roles], request.expires_at_ms, deadline
        )
        return access_pb2.AddUserResponse(user=_message(user), token=token)

    async def ListUsers(
        self, request: access_pb2.ListUsersRequest, context: Context
    ) -> access_pb2.ListUsersResponse:
        users = await self._users.all(await self._gate.caller(context), LOOK_SECONDS)
        return access_pb2.ListUsersResponse(users=map(_message, users))

    async def DeleteUser(
        self, request: access_pb2.DeleteUserRequest, context: Context
    ) -> access_pb2.DeleteUserResponse:
        by = await self._gate.caller(context)
        user = await self._users.delete(by, request.name, self._deadline(context))
        self._gate.forget()
        return access_pb2.DeleteUserResponse(user=_message(user))

    async def RotateToken(
        self, request: access_pb2.RotateTokenRequest, context: Context
    ) -> access_pb2.RotateTokenResponse:
        by = await self._gate.caller(context)
        deadline = self._deadline(context)
        user, token = await self._users.rotate(by, request.name, request.expires_at_ms, deadline)
        self._gate.forget()
        return access_pb2.RotateTokenResponse(user=_message(user), token=token)

    async def AddJoinToken(
        self, request: access_pb2.AddJoinTokenRequest, context: Context
    ) -> access_pb2.AddJoinTokenResponse:
        deadline = self._deadline(context)
        token = await self._joining.invite(request.node_url, [*request.hosts], request.ttl_ms, deadline)
        return access_pb2.AddJoinTokenResponse(token=token)

    async def Join(self, request: access_pb2.JoinRequest, context: Context) -> access_pb2.JoinResponse:
        deadline = self._deadline(context)
        certificate, authorities = await self._joining.redeem(
            request.id, request.secret, request.node_url, request.csr, deadline
        )
        return access_pb2.JoinResponse(certificate=certificate, authorities=authorities)

    def _deadline(self, context: Context) -> float:
        left = context.time_remaining()
        return self._clock.monotonic() + (LOOK_SECONDS if left is None else min(left, LOOK_SECONDS))


def _message(user: User) -> access_pb2.User:
    return access_pb2.User(
        name=user.name,
        roles=[*map(str, user.grants)],
        created_at_ms=user.created_at_ms,
        expires_at_ms=user.expires_at_ms,
    )

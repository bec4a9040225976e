"""etcd's API from Python: stubs of etcd.proto, made at the import, and the batch client."""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc

_messages, _services = grpc.protos_and_services("bench/clients/etcd.proto")


def get_request(key: str) -> bytes:
    return bytes(_messages.RangeRequest(key=key.encode()).SerializeToString())


def set_request(key: str, value: str) -> bytes:
    return bytes(_messages.PutRequest(key=key.encode(), value=value.encode()).SerializeToString())


def member_and_leader(channel: grpc.Channel) -> tuple[int, int]:
    """Return the id of the member that answers, and that of the leader (0: none)."""
    status = _services.MaintenanceStub(channel).Status(_messages.StatusRequest(), timeout=2)
    return status.header.member_id, status.leader


class EtcdBatches:
    """A batch is one Txn without conditions."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._stub: Any = _services.KVStub(channel)

    async def get(self, keys: Sequence[str]) -> Sequence[str | bytes | None]:
        ops = [_messages.RequestOp(request_range=_messages.RangeRequest(key=key.encode())) for key in keys]
        answer = await self._stub.Txn(_messages.TxnRequest(success=ops))
        found = [each.response_range.kvs for each in answer.responses]
        return [kvs[0].value if kvs else None for kvs in found]

    async def set(self, values: Mapping[str, str]) -> None:
        ops = [
            _messages.RequestOp(request_put=_messages.PutRequest(key=key.encode(), value=value.encode()))
            for key, value in values.items()
        ]
        answer = await self._stub.Txn(_messages.TxnRequest(success=ops))
        assert answer.succeeded
        assert len(answer.responses) == len(ops)

    async def close(self) -> None:
        await self._channel.close()


async def open_batches(address: str, callers: int) -> EtcdBatches:
    return EtcdBatches(grpc.aio.insecure_channel(address))

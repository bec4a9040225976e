"""Messages whose items stay bytes: the same wire form, without an object for each item.

It owns how such a class is made from the contract. It must never change what goes over the wire.

A message within a message is written as bytes are, so a message that declares a field as bytes reads and
writes the same. protobuf then cuts and joins the items, and an item is parsed only where it is needed.
https://protobuf.dev/programming-guides/encoding/#submessages

Tested in tests/client/test_batch_bytes.py.
"""

from collections.abc import Mapping, Sequence

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


def as_bytes(name: str, fields: Mapping[type[Message], Sequence[str]]) -> dict[str, type[Message]]:
    """Classes that read and write what these messages do, by the names of these. fields: the names of the
    fields that hold bytes instead of messages; a field of one of these messages holds one of the classes
    instead. name: of their package, "limedb.wire" and the like with a last part of its own.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name.replace('.', '/')}.proto", package=name, syntax="proto3"
    )
    sources = {source.DESCRIPTOR: of_bytes for source, of_bytes in fields.items()}
    here = {f".{source.full_name}": f".{name}.{source.name}" for source in sources}
    for source, of_bytes in sources.items():
        for needed in (source.file, *source.file.dependencies):
            if needed.name not in file.dependency:
                file.dependency.append(needed.name)
        message = file.message_type.add()
        source.CopyToProto(message)
        for field in message.field:
            if field.name in of_bytes:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                field.ClearField("type_name")
            elif field.type_name in here:
                field.type_name = here[field.type_name]
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        source.full_name: GetMessageClass(pool.FindMessageTypeByName(f"{name}.{source.name}"))
        for source in sources
    }

"""The descriptor set that LimeDB ships: all messages and services, with the comments of proto/.

It owns the file's place, and which of its files defines a name. It must never know its users: Envoy's
transcoder and the reflection of a node.

Tested in tests/wire/test_descriptors.py.
"""

from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)


def path() -> Path:
    """The descriptor set of the package, in protobuf's binary form."""
    return Path(str(resources.files("limedbpb") / "limedb.binpb"))


def files() -> list[FileDescriptorProto]:
    """All files of the descriptor set. Each call reads it again."""
    return list(FileDescriptorSet.FromString(path().read_bytes()).file)


class Index:
    """Finds files by their definitions. If a file appears twice, the first one counts."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self._files: dict[str, FileDescriptorProto] = {}
        self._by_symbol: dict[str, str] = {}
        self._by_extension: dict[str, dict[int, str]] = {}
        for file in files:
            if file.name not in self._files:
                self._add(file)

    def _add(self, file: FileDescriptorProto) -> None:
        self._files[file.name] = file
        for symbol in _symbols(file):
            self._by_symbol[symbol] = file.name
        for extension in _extensions(file):
            numbers = self._by_extension.setdefault(extension.extendee.removeprefix("."), {})
            numbers[extension.number] = file.name

    def with_imports(self, name: str) -> list[FileDescriptorProto]:
        """A file and, after it, all that it imports, each once. KeyError: there is no such file."""
        found, waiting = {name: self._files[name]}, [name]
        while waiting:
            for imported in self._files[waiting.pop()].dependency:
                if imported not in found and imported in self._files:
                    found[imported] = self._files[imported]
                    waiting.append(imported)
        return list(found.values())

    def of_symbol(self, name: str) -> list[FileDescriptorProto]:
        """The file that defines a full name (of a service, a method, a message, a field, an enum or one of
        its values), with all that it imports. KeyError: none does.
        """
        return self.with_imports(self._by_symbol[name])

    def of_extension(self, extendee: str, number: int) -> list[FileDescriptorProto]:
        """The file that defines an extension, with all that it imports. KeyError: none does."""
        return self.with_imports(self._by_extension[extendee][number])

    def extension_numbers(self, extendee: str) -> list[int]:
        """The numbers of a message's extensions, in order. KeyError: there is no such message."""
        if extendee not in self._by_symbol:
            raise KeyError(extendee)
        return sorted(self._by_extension.get(extendee, ()))


def _symbols(file: FileDescriptorProto) -> Iterator[str]:
    dot = f"{file.package}." if file.package else ""
    for service in file.service:
        yield dot + service.name
        yield from (f"{dot}{service.name}.{method.name}" for method in service.method)
    for enum in file.enum_type:
        yield from _symbols_of_enum(dot, enum)
    for message in file.message_type:
        yield from _symbols_of_message(dot, message)
    yield from (dot + extension.name for extension in file.extension)


def _symbols_of_message(dot: str, message: DescriptorProto) -> Iterator[str]:
    name = dot + message.name
    yield name
    yield from (f"{name}.{field.name}" for field in (*message.field, *message.extension))
    yield from (f"{name}.{oneof.name}" for oneof in message.oneof_decl)
    for enum in message.enum_type:
        yield from _symbols_of_enum(f"{name}.", enum)
    for inner in message.nested_type:
        yield from _symbols_of_message(f"{name}.", inner)


def _symbols_of_enum(dot: str, enum: EnumDescriptorProto) -> Iterator[str]:
    """An enum's values stand beside the enum, not below it."""
    yield dot + enum.name
    yield from (dot + value.name for value in enum.value)


def _extensions(file: FileDescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from file.extension
    messages = list(file.message_type)
    while messages:
        message = messages.pop()
        yield from message.extension
        messages.extend(message.nested_type)

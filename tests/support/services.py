"""Every service of LimeDB, found in its stubs: one that is added to proto/ is in each table of the tests."""

from importlib import import_module
from pkgutil import iter_modules

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

import limedbpb.v1


def service_files() -> list[FileDescriptor]:
    """The files of proto/ that have services, in the order of their names."""
    names = sorted(
        module.name for module in iter_modules(limedbpb.v1.__path__) if module.name.endswith("_pb2")
    )
    found: list[FileDescriptor] = [
        import_module(f"{limedbpb.v1.__name__}.{name}").DESCRIPTOR for name in names
    ]
    return [file for file in found if file.services_by_name]


def services() -> list[ServiceDescriptor]:
    """All services, in the order of their files."""
    return [service for file in service_files() for service in file.services_by_name.values()]

"""The descriptor set is whole, and carries the comments of proto/."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from limedb.wire import descriptors

KV = "limedbpb/v1/kv.proto"
HTTP_OPTION = ("google.protobuf.MethodOptions", 72295728)


@pytest.fixture(scope="module")
def index() -> descriptors.Index:
    return descriptors.Index(descriptors.files())


def test_all_imports_are_in_it_and_come_before_their_users() -> None:
    pool = DescriptorPool()
    for file in descriptors.files():
        pool.AddSerializedFile(file.SerializeToString())
    assert pool.FindMethodByName("limedb.v1.KVService.Get").input_type.full_name == "limedb.v1.GetRequest"


def test_it_carries_comments() -> None:
    (kv,) = (file for file in descriptors.files() if file.name == KV)
    comments = [place.leading_comments for place in kv.source_code_info.location]
    assert " Get reads the value of a key. NOT_FOUND: there is none.\n" in comments


def test_it_names_the_packages_of_go_and_java() -> None:
    """Otherwise each user of these languages has to choose them, and to patch the files."""
    for file in descriptors.files():
        if file.package == "limedb.v1":
            options = file.options
            assert (options.go_package, options.java_package) == ("limedb/limedbpb/v1;limedbpb", "limedb.v1")
            assert options.java_multiple_files


@pytest.mark.parametrize(
    "name",
    [
        "limedb.v1.KVService",
        "limedb.v1.KVService.Get",
        "limedb.v1.GetRequest",
        "limedb.v1.GetRequest.key",
        "limedb.v1.SetRequest.content",
    ],
)
def test_a_name_leads_to_its_file_and_the_imports(index: descriptors.Index, name: str) -> None:
    first, *imports = [file.name for file in index.of_symbol(name)]
    assert first == KV
    assert {"limedbpb/v1/record.proto", "google/rpc/status.proto", "google/protobuf/any.proto"} <= {*imports}
    assert len({*imports}) == len(imports)


def test_values_of_an_enum_stand_beside_it(index: descriptors.Index) -> None:
    (file,) = index.of_symbol("limedb.v1.PHASE_STEADY")
    assert file.name == "limedbpb/v1/topology.proto"


def test_the_map_of_a_message_is_found(index: descriptors.Index) -> None:
    assert index.of_symbol("limedb.v1.RepairResponse.MissingEntry")[0].name == "limedbpb/v1/admin.proto"


def test_an_extension_is_found_by_its_number(index: descriptors.Index) -> None:
    assert index.of_extension(*HTTP_OPTION)[0].name == "google/api/annotations.proto"
    assert index.extension_numbers(HTTP_OPTION[0]) == [HTTP_OPTION[1]]
    assert index.extension_numbers("limedb.v1.GetRequest") == []


def test_an_extension_within_a_message_is_found() -> None:
    text = FileDescriptorProto(name="a.proto", package="a")
    outer = text.message_type.add(name="Outer")
    outer.extension.add(name="more", number=7, extendee=".b.Extended")
    index = descriptors.Index([*FileDescriptorSet(file=[text]).file])
    assert index.of_extension("b.Extended", 7)[0].name == "a.proto"
    assert index.of_symbol("a.Outer.more")[0].name == "a.proto"


@pytest.mark.parametrize("name", ["", "limedb", "limedb.v1", "limedb.v1.Nothing", "KVService"])
def test_what_nothing_defines_is_not_found(index: descriptors.Index, name: str) -> None:
    with pytest.raises(KeyError):
        index.of_symbol(name)
    with pytest.raises(KeyError):
        index.with_imports(name)
    with pytest.raises(KeyError):
        index.extension_numbers(name)

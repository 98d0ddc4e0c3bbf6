import subprocess
import sys

import pytest
import stubs

#: What a program has in its default pool that imports another project's client of a contract.
CLASH = """
from google.protobuf import descriptor_pb2, descriptor_pool
from emberline.proto import kserve_pb2, tei_pb2
for ours in (kserve_pb2, tei_pb2):
    file = descriptor_pb2.FileDescriptorProto(name=f"theirs/{ours.DESCRIPTOR.name}", package=ours.DESCRIPTOR.package)
    for name in ours.DESCRIPTOR.message_types_by_name:
        file.message_type.add(name=name)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The modules that the contracts give."""
    return {path.name: path.read_bytes() for path in stubs.generate(tmp_path_factory.mktemp("stubs"))}


def test_the_generated_modules_are_fresh(generated: dict[str, bytes]) -> None:
    """The modules in the repository are what the contracts give; run `make stubs` after a change of one."""
    assert generated == {path.name: path.read_bytes() for path in stubs.PROTO.glob("*_pb2*.py*")}
    assert {"emberline_pb2_grpc.py", "kserve_pb2.py", "tei_pb2.pyi"} <= generated.keys()


def test_other_projects_names_are_left_to_them() -> None:
    """A program may import Emberline's modules of a contract and those of whoever wrote it."""
    done = subprocess.run([sys.executable, "-c", CLASH], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr

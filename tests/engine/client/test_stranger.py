from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

CONTRACT = Path(__file__).parents[3] / "proto" / "emberline.proto"

STRANGER = """
import struct, sys
import grpc
import emberline_pb2 as pb
import emberline_pb2_grpc

stub = emberline_pb2_grpc.EmberlineStub(grpc.insecure_channel(sys.argv[1]))
user = pb.User(profile="age: 25; occupation: engineer", history=[pb.ItemReference(id="alien")])

film = pb.Item(id="solaris")
film.attributes.update({"title": "Solaris", "year": 1972, "genres": ["Sci-Fi"]})
assert stub.UpsertItems(pb.UpsertItemsRequest(items=[film])).inserted == 1

answer = stub.Recommend(pb.RecommendRequest(user=user, k=10, reasons=True))
print(*sorted(item.id for item in answer.items))

vector = stub.Encode(pb.EncodeRequest(inputs=[pb.Input(item=film)])).outputs["sentence_embedding"]
assert (vector.dtype, list(vector.shape)) == ("float32", [1, 16])
print(len(struct.unpack("<16f", vector.data)))

same = pb.Tensor(data=vector.data, dtype="float32", shape=[16])
candidates = [pb.ItemReference(id="solaris"), pb.ItemReference(vector=same)]
scores = stub.Score(pb.ScoreRequest(user=user, candidates=candidates)).outputs["score"]
first, second = struct.unpack("<2f", scores.data)
assert abs(first - second) < 1e-4

stream = stub.EncodeStream(
    pb.EncodeStreamRequest(id=text, request=pb.EncodeRequest(inputs=[pb.Input(text=text)])) for text in ("a", "", "c")
)
print(*(f"{answer.id}:{answer.WhichOneof('answer')}" for answer in stream))

try:
    stub.Recommend(pb.RecommendRequest(user=user, k=0))
except grpc.RpcError as error:
    print(error.code().name, error.details().partition(":")[0])

assert stub.DeleteItems(pb.DeleteItemsRequest(ids=["solaris"])).deleted == 1
assert not [name for name in sys.modules if name.partition(".")[0] == "emberline"]
"""


def test_a_client_made_from_the_contract_alone_is_served(address: str, tmp_path: Path) -> None:
    """Who has nothing but the .proto generates stubs, and can do all that the package's own clients can."""
    shutil.copy(CONTRACT, tmp_path)
    generate = ["-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=.", CONTRACT.name]
    subprocess.run([sys.executable, *generate], cwd=tmp_path, check=True, timeout=60)
    (tmp_path / "stranger.py").write_text(STRANGER)
    talk = [sys.executable, "stranger.py", address]
    result = subprocess.run(talk, cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True)
    assert result.stdout.splitlines() == [
        "airplane brazil clueless scream solaris the-thing",
        "16",
        "a:response :error c:response",
        "INVALID_ARGUMENT k",
    ]

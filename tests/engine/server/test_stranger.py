import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PROTO = Path(__file__).parents[3] / "proto" / "emberline.proto"

CLIENT = """
import json, sys
import grpc
import emberline_pb2 as pb
import emberline_pb2_grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = emberline_pb2_grpc.EmberlineStub(channel)
    vector = stub.Encode(pb.EncodeRequest(inputs=[pb.Input(text="the horror")])).outputs["sentence_embedding"]
    item = pb.Item(id="nova")
    item.attributes.update({"title": "Nova", "genres": ["Horror"]})
    stub.UpsertItems(pb.UpsertItemsRequest(items=[item]))
    user = pb.User(profile="age: 25", history=[pb.ItemReference(id="nova")])
    answer = stub.Recommend(pb.RecommendRequest(user=user, k=3, reasons=True))
    print(json.dumps({
        "vector": [vector.dtype, list(vector.shape), vector.data.hex()],
        "because_of": [item.reason.because_of for item in answer.items],
        "emberline": [name for name in sys.modules if name.startswith("emberline.")],
    }))
"""


def test_a_client_made_from_the_contract_alone_is_served(tmp_path: Path, start: Callable[[], Any]) -> None:
    """Whoever has only the .proto file can encode, upsert and recommend, and reads vectors from their bytes."""
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "emberline.proto").write_bytes(PROTO.read_bytes())
    compiler = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=."]
    subprocess.run([*compiler, "emberline.proto"], check=True, cwd=tmp_path / "client", timeout=60)
    process = start()
    client = subprocess.run(
        [sys.executable, "-c", CLIENT, process.address],
        cwd=tmp_path / "client",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert client.returncode == 0, client.stderr
    seen = json.loads(client.stdout)
    dtype, shape, data = seen["vector"]
    vector = np.frombuffer(bytes.fromhex(data), np.dtype(dtype).newbyteorder("<")).reshape(shape)
    assert vector.shape == (1, 16)
    assert abs(np.linalg.norm(vector) - 1) < 1e-5
    assert seen["because_of"] == ["nova"] * 3
    assert not seen["emberline"]

"""Who may take part, and how each is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from emberline.engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Peer:
    """What one would use instead of Emberline."""

    name: str  # as it stands in the tables.
    module: str  # module in `backends` that opens it and prepares the model for it.
    environment: str  # environment whose packages run it; a file in `pins`.
    precision: str  # the encoder's precision.
    #: of the module's `open_backend`, besides material and threads.
    options: Mapping[str, str] = field(default_factory=dict)
    path: str = "process"  # ``process``, or ``grpc`` for one that is asked over a socket.

    def begins(self, name: str) -> bool:
        """Whether its name begins so, in any case."""
        return self.name.lower().startswith(name.lower())


#: What everyone uses: the ratios of the table are to it.
STANDARD: Final = "sentence-transformers, PyTorch fp32"
#: The graph itself: what no server in front of it can beat for a lone request.
BARE: Final[Mapping[str, str]] = {
    precision: f"ONNX Runtime {precision}, arrival order" for precision in ("fp32", "int8")
}
TRITON: Final[Mapping[str, str]] = {precision: f"Triton {precision}, gRPC" for precision in ("fp32", "int8")}

_ST: Final = "sentence-transformers"
PEERS: Final = (
    Peer(STANDARD, "sentence_transformers", _ST, "fp32", {"backend": "torch", "precision": "fp32"}),
    Peer(f"{_ST}, ONNX fp32", "sentence_transformers", _ST, "fp32", {"backend": "onnx", "precision": "fp32"}),
    Peer(f"{_ST}, ONNX int8", "sentence_transformers", _ST, "int8", {"backend": "onnx", "precision": "int8"}),
    Peer("infinity-emb fp32", "infinity", "infinity", "fp32"),
    Peer("fastembed fp32", "fastembed", "fastembed", "fp32"),
    Peer("OpenVINO fp32", "openvino", "openvino", "fp32", {"precision": "fp32"}),
    Peer("OpenVINO, its own choice", "openvino", "openvino", "own", {"precision": "own"}),
    Peer("OpenVINO int8", "openvino", "openvino", "int8", {"precision": "int8"}),
    Peer("CTranslate2 int8", "ctranslate2", "ctranslate2", "int8"),
    *(Peer(name, "onnxruntime", "onnxruntime", kind, {"precision": kind}) for kind, name in BARE.items()),
    *(Peer(name, "triton", "triton", kind, {"precision": kind}, "grpc") for kind, name in TRITON.items()),
)
#: Named in the table because it is missed there.
UNAVAILABLE: Final = {
    "text-embeddings-inference": "it is distributed as a container image and as Rust source, not as a package that pip "
    "could install into an environment"
}


def chosen(names: Sequence[str]) -> tuple[Peer, ...]:
    """The peers whose names begin with one of the given ones; all of them if none is given.

    Raises:
        ConfigError: no peer's name does.
    """
    for name in names:
        if not any(one.begins(name) for one in PEERS):
            known = ", ".join(one.name for one in PEERS)
            raise ConfigError(f"there is no peer {name!r}; choose from {known}, or the beginning of a name")
    return tuple(one for one in PEERS if not names or any(map(one.begins, names)))

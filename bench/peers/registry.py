"""Who may take part, and how each is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Entrant:
    """A peer.

    Attributes:
        name: as it stands in the tables.
        module: in `targets`: opens it, and prepares the model for it.
        environment: whose packages run it; a file in `pins`.
        precision: of the encoder.
        options: of the module's `open_target`, besides material and threads.
        path: ``process``, or ``grpc`` for one that is asked over a socket.
    """

    name: str
    module: str
    environment: str
    precision: str
    options: Mapping[str, str] = field(default_factory=dict)
    path: str = "process"


#: What everyone uses: the ratios of the table are to it.
STANDARD: Final = "sentence-transformers, PyTorch fp32"
#: The graph itself: what no server in front of it can beat for a lone request.
BARE: Final[Mapping[str, str]] = {
    precision: f"ONNX Runtime {precision}, arrival order" for precision in ("fp32", "int8")
}
TRITON: Final[Mapping[str, str]] = {precision: f"Triton {precision}, gRPC" for precision in ("fp32", "int8")}

_ST: Final = "sentence-transformers"
ENTRANTS: Final = (
    Entrant(STANDARD, "sentence_transformers", _ST, "fp32", {"backend": "torch", "precision": "fp32"}),
    Entrant(f"{_ST}, ONNX fp32", "sentence_transformers", _ST, "fp32", {"backend": "onnx", "precision": "fp32"}),
    Entrant(f"{_ST}, ONNX int8", "sentence_transformers", _ST, "int8", {"backend": "onnx", "precision": "int8"}),
    Entrant("infinity-emb fp32", "infinity", "infinity", "fp32"),
    Entrant("fastembed fp32", "fastembed", "fastembed", "fp32"),
    Entrant("OpenVINO fp32", "openvino", "openvino", "fp32", {"precision": "fp32"}),
    Entrant("OpenVINO, its own choice", "openvino", "openvino", "own", {"precision": "own"}),
    Entrant("OpenVINO int8", "openvino", "openvino", "int8", {"precision": "int8"}),
    Entrant("CTranslate2 int8", "ctranslate2", "ctranslate2", "int8"),
    *(
        Entrant(name, "onnxruntime", "onnxruntime", precision, {"precision": precision})
        for precision, name in BARE.items()
    ),
    *(
        Entrant(name, "triton", "triton", precision, {"precision": precision}, "grpc")
        for precision, name in TRITON.items()
    ),
)
#: Named in the table because it is missed there.
UNAVAILABLE: Final = {
    "text-embeddings-inference": "it is distributed as a container image and as Rust source, not as a package that pip "
    "could install into an environment",
}

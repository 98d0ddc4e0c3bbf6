"""The configurations of the repository's models: inputs, outputs, batching, and how the ensembles chain them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from emberline.engine.bundle import Manifest
from emberline.engine.runtime.providers import tensorrt_shapes
from emberline.engine.runtime.tensorrt.profiles import Profile

from .text import Message, Symbol

TOKENISE: Final = "emberline_tokenise"
ENCODER: Final = "emberline_encoder"
ITEM_TOWER: Final = "emberline_item_tower"
#: How long a request may wait for others to share its batch, in microseconds: about as long as a small batch takes.
_DELAY: Final = 1000

_INT64: Final = Symbol("TYPE_INT64")
_FP32: Final = Symbol("TYPE_FP32")
_TEXT: Final[Message] = {"name": "TEXT", "data_type": Symbol("TYPE_STRING"), "dims": [1]}
_TOKENS: Final[Sequence[Message]] = [
    {"name": name, "data_type": _INT64, "dims": [-1]} for name in ("input_ids", "attention_mask")
]


class Configs:
    """The configurations for one bundle.

    Attributes:
        profiles: the shapes that engines are built for, and the lengths that texts are padded to.
    """

    def __init__(self, manifest: Manifest, profiles: Sequence[Profile]) -> None:
        self.profiles = tuple(profiles)
        # A batch may be of any length, so that it must not be larger than the profile of the longest texts takes.
        self._batch = min(profile.largest.batch for profile in profiles)
        self._embedding: Message = {"name": "sentence_embedding", "data_type": _FP32, "dims": [manifest.hidden]}
        self._item: Sequence[Message] = [
            {"name": "item_embedding", "data_type": _FP32, "dims": [manifest.dimensions]},
            # The graph's output is (B,), and Triton knows no dimension but the batch that could be left out.
            {"name": "item_bias", "data_type": _FP32, "dims": [1], "reshape": {"shape": []}},
        ]

    def tokenise(self) -> Message:
        """The Python model that makes token ids."""
        buckets = sorted({profile.largest.tokens for profile in self.profiles})
        return {
            "name": TOKENISE,
            "backend": "python",
            "max_batch_size": self._batch,
            "input": [_TEXT],
            "output": _TOKENS,
            "parameters": [{"key": "buckets", "value": {"string_value": str(buckets)}}],
        }

    def onnx_encoder(self) -> Message:
        """The encoder in ONNX Runtime, on a GPU or a CPU."""
        return {**self._encoder("onnx"), "platform": "onnxruntime_onnx"}

    def accelerated_encoder(self) -> Message:
        """The encoder in ONNX Runtime with its TensorRT provider, which builds an engine when the model is loaded."""
        options = {"trt_engine_cache_enable": "true", **tensorrt_shapes(self.profiles)}
        parameters = [{"key": name, "value": value} for name, value in options.items()]
        accelerator = {"gpu_execution_accelerator": [{"name": "tensorrt", "parameters": parameters}]}
        return {
            **self._encoder("tensorrt"),
            "platform": "onnxruntime_onnx",
            "optimization": {"execution_accelerators": accelerator},
        }

    def plan_encoder(self) -> Message:
        """The encoder as an engine that TensorRT built; Triton takes the profile that fits each batch."""
        profiles = [str(index) for index in range(len(self.profiles))]
        return {
            **self._encoder("tensorrt"),
            "platform": "tensorrt_plan",
            "instance_group": [{"kind": Symbol("KIND_GPU"), "count": 1, "profile": profiles}],
        }

    def item_tower(self) -> Message:
        """The item tower, which is small and stays in ONNX Runtime."""
        return {
            "name": ITEM_TOWER,
            "platform": "onnxruntime_onnx",
            "max_batch_size": self._batch,
            "input": [self._embedding],
            "output": self._item,
            "dynamic_batching": {},
        }

    def ensemble(self, kind: str) -> Message:
        """Texts to the encoder's and the item tower's vectors, in one call.

        Args:
            kind: of the encoder, ``onnx`` or ``tensorrt``.
        """
        steps = [
            _step(TOKENISE, ["TEXT"], ["input_ids", "attention_mask"]),
            _step(f"{ENCODER}_{kind}", ["input_ids", "attention_mask"], ["sentence_embedding"]),
            _step(ITEM_TOWER, ["sentence_embedding"], ["item_embedding", "item_bias"]),
        ]
        outputs = [self._embedding, *({**one, "reshape": None} for one in self._item)]
        return {
            "name": f"emberline_{kind}",
            "platform": "ensemble",
            "max_batch_size": self._batch,
            "input": [_TEXT],
            "output": [{key: value for key, value in one.items() if value is not None} for one in outputs],
            "ensemble_scheduling": {"step": steps},
        }

    def _encoder(self, kind: str) -> Message:
        return {
            "name": f"{ENCODER}_{kind}",
            "max_batch_size": self._batch,
            "input": _TOKENS,
            "output": [self._embedding],
            "dynamic_batching": {
                "preferred_batch_size": sorted({min(profile.typical.batch, self._batch) for profile in self.profiles}),
                "max_queue_delay_microseconds": _DELAY,
            },
        }


def _step(model: str, inputs: Sequence[str], outputs: Sequence[str]) -> Message:
    return {
        "model_name": model,
        "model_version": -1,
        "input_map": [{"key": name, "value": name} for name in inputs],
        "output_map": [{"key": name, "value": name} for name in outputs],
    }

"""The configurations of the repository's models: inputs, outputs, batching, and how the ensembles chain them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from emberline.engine.bundle import Manifest
from emberline.engine.runtime.providers import tensorrt_shapes
from emberline.engine.runtime.tensorrt.profiles import Profile

from .text import EnumName, Message

TOKENIZER: Final = "emberline_tokenizer"
ENCODER: Final = "emberline_encoder"
ITEM_TOWER: Final = "emberline_item_tower"
#: Microseconds that a request may wait for others to share its batch: about the time of a small batch.
_DELAY: Final = 1000

_INT64: Final = EnumName("TYPE_INT64")
_FP32: Final = EnumName("TYPE_FP32")
_TEXT: Final[Message] = {"name": "TEXT", "data_type": EnumName("TYPE_STRING"), "dims": [1]}
_TOKENS: Final[Sequence[Message]] = [
    {"name": name, "data_type": _INT64, "dims": [-1]} for name in ("input_ids", "attention_mask")
]


class TritonConfigs:
    """The model configurations of one bundle.

    Attributes:
        profiles: the shapes for which engines are built, which also set the lengths to which texts are padded.
    """

    def __init__(self, manifest: Manifest, profiles: Sequence[Profile]) -> None:
        self.profiles = tuple(profiles)
        # A batch may have any length, so it must fit into the profile of the longest texts, too.
        self._batch = min(profile.largest.batch for profile in profiles)
        self._embedding: Message = {"name": "sentence_embedding", "data_type": _FP32, "dims": [manifest.hidden]}
        self._item: Sequence[Message] = [
            {"name": "item_embedding", "data_type": _FP32, "dims": [manifest.dimensions]},
            # The graph's output is (B,), but Triton needs a dimension besides the batch.
            {"name": "item_bias", "data_type": _FP32, "dims": [1], "reshape": {"shape": []}},
        ]

    def tokenizer(self) -> Message:
        """The Python model that makes token ids."""
        buckets = sorted({profile.largest.tokens for profile in self.profiles})
        return {
            "name": TOKENIZER,
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
        """The encoder in ONNX Runtime with the TensorRT provider, which builds an engine when the model is loaded."""
        options = {"trt_engine_cache_enable": "true", **tensorrt_shapes(self.profiles)}
        parameters = [{"key": name, "value": value} for name, value in options.items()]
        accelerator = {"gpu_execution_accelerator": [{"name": "tensorrt", "parameters": parameters}]}
        return {
            **self._encoder("tensorrt"),
            "platform": "onnxruntime_onnx",
            "optimization": {"execution_accelerators": accelerator},
        }

    def plan_encoder(self) -> Message:
        """The encoder as a TensorRT engine; Triton chooses the profile that fits each batch."""
        profiles = [str(index) for index in range(len(self.profiles))]
        return {
            **self._encoder("tensorrt"),
            "platform": "tensorrt_plan",
            "instance_group": [{"kind": EnumName("KIND_GPU"), "count": 1, "profile": profiles}],
        }

    def item_tower(self) -> Message:
        """The item tower in ONNX Runtime."""
        return {
            "name": ITEM_TOWER,
            "platform": "onnxruntime_onnx",
            "max_batch_size": self._batch,
            "input": [self._embedding],
            "output": self._item,
            "dynamic_batching": {},
        }

    def ensemble(self, kind: str) -> Message:
        """The ensemble: from texts to the vectors of the encoder and of the item tower, in one call.

        Args:
            kind: the kind of encoder, ``onnx`` or ``tensorrt``.
        """
        steps = [
            _step(TOKENIZER, ["TEXT"], ["input_ids", "attention_mask"]),
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

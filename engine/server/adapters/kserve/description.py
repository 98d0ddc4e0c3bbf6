"""What the server says of itself and of its models: metadata, configuration, statistics."""

from __future__ import annotations

from typing import Final

from emberline import __version__
from emberline.engine.engine import Engine
from emberline.engine.metrics import Metrics
from emberline.proto import kserve_pb2 as pb

from .names import DEFAULT, VERSION
from .outputs import INPUTS, USER, shapes
from .parameters import DEFAULT_PRIORITY, PRIORITY_LEVELS
from .tensors import NUMBERS, TEXTS

_PLATFORM: Final = "emberline"
_EXTENSIONS: Final = (
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "parameters",
    "schedule_policy",
    "statistics",
)
#: How texts come to their vectors.
_OUTCOMES: Final = ("encoded", "cached", "shared")
#: The methods that infer, by their names in the metrics.
_METHODS: Final = ("kserve.ModelInfer", "kserve.ModelStreamInfer", "kserve.http.ModelInfer")


def server_metadata() -> pb.ServerMetadataResponse:
    """Describe the server."""
    return pb.ServerMetadataResponse(name=DEFAULT, version=__version__, extensions=_EXTENSIONS)


def model_metadata(name: str, engine: Engine) -> pb.ModelMetadataResponse:
    """Describe the tensors of a model."""
    tensor = pb.ModelMetadataResponse.TensorMetadata
    return pb.ModelMetadataResponse(
        name=name,
        versions=[VERSION],
        platform=_PLATFORM,
        inputs=[tensor(name=key, datatype=TEXTS, shape=shape) for key, shape in INPUTS.items()],
        outputs=[tensor(name=key, datatype=NUMBERS, shape=shape) for key, shape in shapes(engine).items()],
    )


def model_config(name: str, engine: Engine) -> pb.ModelConfigResponse:
    """Describe a model as Triton's configuration does."""
    info = engine.info()
    facts = {
        "model_id": info.model_id,
        "precision": info.precision,
        "device": info.device,
        "fingerprint": info.fingerprint,
        "max_length": str(info.max_length),
    }
    return pb.ModelConfigResponse(
        config=pb.ModelConfig(
            name=name,
            platform=_PLATFORM,
            backend=_PLATFORM,
            input=[
                pb.ModelInput(name=key, data_type=pb.TYPE_STRING, dims=shape, optional=key == USER)
                for key, shape in INPUTS.items()
            ],
            output=[
                pb.ModelOutput(name=key, data_type=pb.TYPE_FP32, dims=shape) for key, shape in shapes(engine).items()
            ],
            dynamic_batching=pb.ModelDynamicBatching(
                priority_levels=PRIORITY_LEVELS, default_priority_level=DEFAULT_PRIORITY
            ),
            parameters={key: pb.ModelParameter(string_value=value) for key, value in facts.items()},
            model_transaction_policy=pb.ModelTransactionPolicy(decoupled=False),
        )
    )


def statistics(name: str, metrics: Metrics) -> pb.ModelStatistics:
    """Count what a model has done: calls of this protocol, and texts, batches and stages of all.

    Args:
        name: name of the model.
        metrics: its metrics.
    """
    values = _Values(metrics)
    texts = {outcome: values.total("emberline_texts_total", outcome=outcome) for outcome in _OUTCOMES}
    every = sum(values.total("emberline_requests_total", method=method) for method in _METHODS)
    good = sum(values.total("emberline_requests_total", method=method, code="OK") for method in _METHODS)
    seconds = sum(values.total("emberline_request_seconds_sum", method=method) for method in _METHODS)
    return pb.ModelStatistics(
        name=name,
        version=VERSION,
        inference_count=int(sum(texts.values())),
        execution_count=int(values.total("emberline_batch_texts_count")),
        inference_stats=pb.InferStatistics(
            success=_duration(good, seconds),
            fail=_duration(every - good, 0),
            queue=values.stage("queue"),
            compute_input=values.stage("tokenize"),
            compute_infer=values.stage("encode"),
            compute_output=values.stage("score"),
            cache_hit=_duration(texts["cached"], 0),
        ),
    )


class _Values:
    """The values of a model's metrics at one moment."""

    def __init__(self, metrics: Metrics) -> None:
        self._samples = [sample for family in metrics.collect() for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """Add up the samples of a name with some labels."""
        return sum(
            float(sample.value)
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def stage(self, stage: str) -> pb.StatisticDuration:
        """Return how often a stage ran, and for how long."""
        name = "emberline_stage_seconds"
        return _duration(self.total(f"{name}_count", stage=stage), self.total(f"{name}_sum", stage=stage))


def _duration(count: float, seconds: float) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=int(count), ns=int(seconds * 1e9))

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emberline.engine.batching.calibration import CostFile, machine, measure
from emberline.engine.batching.cost_model import CostModel
from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.records import EncodeRequest, Floats, Integers, RequestOptions

TRUTH = CostModel(1e-3, 1e-4, 1e-7)


class MadeUpSession:
    """An encoder whose calls take the time that a cost model predicts, on a clock of its own."""

    device = "made up"

    def __init__(self) -> None:
        self.now = 0.0
        self.shapes: Counter[tuple[int, ...]] = Counter()

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Take the time."""
        assert ids.shape == mask.shape
        self.shapes[ids.shape] += 1
        self.now += TRUTH.batch(*ids.shape)
        return np.zeros((len(ids), 2), np.float32)

    def clock(self) -> float:
        """The time that all calls have taken."""
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> CostFile:
    """A file of cost models in a writable folder."""
    return CostFile(tmp_path / "costs.json", tmp_path / "cache" / "costs.json")


def _unexpected() -> CostModel:
    raise AssertionError("it was measured although a measurement is remembered")


def test_an_encoders_costs_are_found() -> None:
    """The model that the calls follow is what the measurement gives."""
    session = MadeUpSession()
    costs = measure(session, 128, 32, session.clock)
    assert costs.batch(5, 50) == pytest.approx(TRUTH.batch(5, 50), rel=1e-6)


def test_of_four_rounds_the_fastest_counts() -> None:
    """A neighbour that slows three rounds of four, the first and the last among them, has no say."""

    class Disturbed(MadeUpSession):
        def run(self, ids: Integers, mask: Integers) -> Floats:
            self.now += (4.0, 2.0, 0.0, 3.0)[self.shapes[ids.shape]]
            return super().run(ids, mask)

    session = Disturbed()
    costs = measure(session, 128, 32, session.clock, budget=60.0)
    assert set(session.shapes.values()) == {4}
    assert costs.batch(5, 50) == pytest.approx(TRUTH.batch(5, 50), rel=1e-6)


def test_only_batches_that_can_occur_are_measured() -> None:
    """No measured batch exceeds the limits on texts or on tokens."""
    session = MadeUpSession()
    measure(session, 16, 2, session.clock)
    assert max(texts for texts, _ in session.shapes) == 2
    assert max(length for _, length in session.shapes) == 16


def test_a_slow_encoder_is_measured_by_few_calls() -> None:
    """With no time left, the four cheapest shapes are measured once."""
    session = MadeUpSession()
    costs = measure(session, 128, 32, session.clock, budget=0.0)
    assert session.shapes.total() == 4
    assert costs.batch(1, 20) == pytest.approx(TRUTH.batch(1, 20), rel=0.05)


def test_a_measurement_is_remembered(file: CostFile) -> None:
    """The second start under the same conditions measures nothing; another precision does."""
    assert file.get("int8", lambda: TRUTH) == TRUTH
    assert file.get("int8", _unexpected) == TRUTH
    other = CostModel(1.0, 2.0, 3.0)
    assert file.get("fp32", lambda: other) == other
    assert file.get("int8", _unexpected) == TRUTH


@pytest.mark.parametrize(
    "content",
    [
        "nothing of the kind",
        "[]",
        '{"int8": 5}',
        '{"int8": {"call": 1}}',
        '{"int8": {"call": -1, "token": 1, "square": 0}}',
        '{"int8": {"call": NaN, "token": 1, "square": 0}}',
    ],
)
def test_a_damaged_file_is_replaced(file: CostFile, tmp_path: Path, content: str) -> None:
    """A damaged file leads to a new measurement, and does not keep an engine from starting."""
    (tmp_path / "costs.json").write_text(content)
    assert file.get("int8", lambda: TRUTH) == TRUTH
    assert file.get("int8", _unexpected) == TRUTH


def test_a_read_only_folder_falls_back_to_the_cache(tmp_path: Path) -> None:
    """Without a writable folder the costs are stored in the user's cache folder."""
    (tmp_path / "read-only").write_text("no folder")
    file = CostFile(tmp_path / "read-only" / "costs.json", tmp_path / "cache" / "costs.json")
    assert file.get("int8", lambda: TRUTH) == TRUTH
    assert file.get("int8", _unexpected) == TRUTH
    assert (tmp_path / "cache" / "costs.json").is_file()


def test_the_file_is_bounded(file: CostFile, tmp_path: Path) -> None:
    """A folder that many versions share does not grow a file without end; the oldest entries go."""
    for number in range(100):
        file.get(str(number), lambda: TRUTH)
    assert list(json.loads((tmp_path / "costs.json").read_text())) == [str(number) for number in range(68, 100)]


def test_the_machine_is_named() -> None:
    """Times of one machine are not used on another."""
    assert machine().endswith(" cores")
    assert len(machine()) > len("1 cores")


async def test_an_engine_remembers_beside_its_bundle(config: EngineConfig) -> None:
    """The first start stores its measurement, and the next one uses it."""
    for _ in range(2):
        engine = await Engine.start(config)
        await engine.encode(EncodeRequest(("the",)), RequestOptions())
        await engine.drain()
        models = json.loads((config.bundle.parent / "bundle.costs.json").read_text())
        assert any(key.startswith(machine()) and "fp32 of tiny-00000000" in key for key in models)

from __future__ import annotations

import math

from emberline.bench.harness.lineup import LeftOut
from emberline.bench.harness.load import Load
from emberline.bench.harness.measure import P50, THROUGHPUT, Samples
from emberline.bench.peers.closeness import Closeness
from emberline.bench.peers.evaluator import Ranked
from emberline.bench.peers.gemm import Peak
from emberline.bench.peers.measurements import Notes, Spent, Work
from emberline.bench.peers.operators import OperatorShare
from emberline.bench.peers.records import PeerRecord
from emberline.bench.peers.resume import Ledger, SectionRecord, State, code
from emberline.bench.peers.settings import PeersSettings


def full_state():
    """A state with something of every kind."""
    lone, crowd = Samples("mixed", "SingleStream"), Samples("mixed", "8 clients")
    lone.add("A", {P50: 1.5})
    crowd.add("A", {THROUGHPUT: 100.0, P50: 2.0})
    notes = Notes(
        counts={"mixed": 8},
        batches={"B": 4},
        lone=lone,
        parts={"A": {"whole": [1.0, 2.0]}},
        operators={"int8": [OperatorShare("MatMul", 0.8)]},
        crowds={8: crowd},
        spent={8: {"A": [Spent(0.5, 3.0)]}},
        loads={"A": [Load((1.0, 2.0, math.inf), 0.1, 1)]},
        rates={"A": 70.0},
        peaks={"fp32": [Peak(50.0, "NumPy", (1, 2, 3))]},
        work={1_000: [Work(10.0, 200.0)]},
    )
    packages = ({"name": "numpy", "version": "2"},)
    record = PeerRecord("A", "fake", "fp32", "process", 1, packages, 1.0, 2.0, 1.0, 1.0, 1.0, 0.3, None, None)
    return State(
        [SectionRecord("everyone", "2026-01-01T00:00:00+00:00", 1.5, 0.0, 0.0)],
        notes,
        {"A": Closeness(1.0, 1.0, 1.0)},
        {"A": Ranked(0.3, None)},
        [record],
        [LeftOut("C", "it broke")],
    )


def test_a_state_is_what_it_was(tmp_path):
    """Every record comes back, numbers that are no JSON among them."""
    conditions = {"settings": PeersSettings(), "threads": 2}
    Ledger(tmp_path / "out" / "unfinished.json", conditions).keep(full_state())
    found = Ledger(tmp_path / "out" / "unfinished.json", conditions).state()
    assert found == full_state()
    assert found.has("everyone")
    assert not found.has("servers")


def test_other_conditions_begin_anew(tmp_path):
    """Sections of two settings do not make one result."""
    Ledger(tmp_path / "unfinished.json", {"settings": PeersSettings()}).keep(full_state())
    assert Ledger(tmp_path / "unfinished.json", {"settings": PeersSettings(seed=2)}).state() == State()


def test_a_file_that_was_cut_off_begins_anew(tmp_path):
    """Nothing is taken from it."""
    (tmp_path / "unfinished.json").write_text('{"conditions": {')
    assert Ledger(tmp_path / "unfinished.json", {}).state() == State()


def test_who_was_left_out_is_named_once():
    """With the first reason."""
    state = full_state()
    state.leave_out([LeftOut("C", "again"), LeftOut("D", "it is missing")])
    assert state.left_out == [LeftOut("C", "it broke"), LeftOut("D", "it is missing")]


def test_the_code_is_told_apart_by_its_files():
    """The digest is the same for the same files."""
    assert code() == code()
    assert len(code()) == 64

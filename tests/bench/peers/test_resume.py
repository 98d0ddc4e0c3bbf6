from __future__ import annotations

import math

from emberline.bench.harness.measurements import P50, THROUGHPUT, Measurements
from emberline.bench.harness.records import VariantRecord
from emberline.bench.harness.variants import LeftOut
from emberline.bench.peers.evaluator import Closeness, RankingQuality
from emberline.bench.peers.peak import Peak
from emberline.bench.peers.resume import ResumeFile, ResumeState, SectionRecord, code
from emberline.bench.peers.settings import PeersSettings


def full_state():
    """A state with something of every kind."""
    measured = Measurements()
    measured.add("SingleStream, mixed", "A", {P50: 1.5})
    measured.add("8 clients", "A", {THROUGHPUT: 100.0, P50: 2.0})
    measured.add("70 % load", "A", {P50: math.inf})
    measured.add("Parts", "A", {"whole": 1.0})
    record = VariantRecord(
        name="A",
        engine="fake",
        precision="fp32",
        path="process",
        threads=1,
        encoder_mb=1.0,
        memory_mb=2.0,
        cosine_mean=1.0,
        cosine_minimum=1.0,
        packages=[{"name": "numpy", "version": "2"}],
        agreement_at_10=1.0,
        item_cold_ndcg_at_10=0.3,
        user_cold_ndcg_at_10=None,
        batch=None,
    )
    return ResumeState(
        sections=[SectionRecord("everyone", "2026-01-01T00:00:00+00:00", 1.5, 0.0, 0.0)],
        measured=measured,
        batches={"B": 4},
        peaks={"fp32": Peak(50.0, "NumPy", (1, 2, 3))},
        close={"A": Closeness(1.0, 1.0, 1.0)},
        ranked={"A": RankingQuality(0.3, None)},
        took_part=[record],
        left_out=[LeftOut("C", "it broke")],
    )


def test_a_state_is_what_it_was(tmp_path):
    """Every record comes back, numbers that are no JSON among them."""
    conditions = {"settings": PeersSettings(), "threads": 2}
    ResumeFile(tmp_path / "out" / "unfinished.msgpack", conditions).keep(full_state())
    found = ResumeFile(tmp_path / "out" / "unfinished.msgpack", conditions).state()
    assert found == full_state()
    assert found.has("everyone")
    assert not found.has("servers")


def test_other_conditions_begin_anew(tmp_path):
    """Sections of two settings do not make one result."""
    ResumeFile(tmp_path / "unfinished.msgpack", {"settings": PeersSettings()}).keep(full_state())
    assert ResumeFile(tmp_path / "unfinished.msgpack", {"settings": PeersSettings(seed=2)}).state() == ResumeState()


def test_a_file_that_was_cut_off_begins_anew(tmp_path):
    """Nothing is taken from it."""
    (tmp_path / "unfinished.msgpack").write_text('{"conditions": {')
    assert ResumeFile(tmp_path / "unfinished.msgpack", {}).state() == ResumeState()


def test_who_was_left_out_is_named_once():
    """With the first reason."""
    state = full_state()
    state.leave_out([LeftOut("C", "again"), LeftOut("D", "it is missing")])
    assert state.left_out == [LeftOut("C", "it broke"), LeftOut("D", "it is missing")]


def test_the_code_is_told_apart_by_its_files():
    """The digest is the same for the same files."""
    assert code() == code()
    assert len(code()) == 64

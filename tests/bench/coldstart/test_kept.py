"""What was measured before is found again, and only that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emberline.bench.coldstart import measurement, tuning, variants
from emberline.bench.coldstart.coldstart import bench_coldstart
from emberline.bench.coldstart.entries import enter
from emberline.bench.coldstart.fingerprint import fingerprint
from emberline.bench.coldstart.kept import VALUES, Kept
from emberline.bench.coldstart.plan import Plan
from emberline.bench.coldstart.saved import from_arrays, to_arrays
from emberline.bench.coldstart.settings import ColdStartSettings
from emberline.bench.coldstart.tasks import final_round, tuning_rounds
from emberline.bench.coldstart.tuning import choose
from emberline.export import pretrained
from emberline.export.baselines.contenders import Contender
from emberline.export.baselines.ease import Ease
from emberline.export.baselines.material import BaselineData
from emberline.export.baselines.nearest import MeanOfHistory
from emberline.export.baselines.spaces import TfIdf
from emberline.export.data.split import split


def _refuse():
    raise AssertionError("it was measured again")


def test_a_value_is_made_once(tmp_path):
    """Another process finds it; what depends on something else is made anew."""
    assert Kept(tmp_path, "data").value(("ease", 1), lambda: {"warm": [0.25, None]}) == {"warm": [0.25, None]}
    again = Kept(tmp_path, "data")
    assert again.value(("ease", 1), _refuse) == {"warm": [0.25, None]}
    assert again.value(("ease", 2), lambda: 3) == 3
    assert Kept(tmp_path, "other data").value(("ease", 1), lambda: 4) == 4


def test_what_an_interrupt_cut_is_made_again(tmp_path):
    """Half a line hides neither the lines before it nor those after it."""
    kept = Kept(tmp_path)
    kept.value(("a",), lambda: 1)
    kept.value(("b",), lambda: 2)
    path = tmp_path / VALUES
    path.write_bytes(path.read_bytes().rstrip()[:-4])
    after = Kept(tmp_path)
    assert after.value(("a",), _refuse) == 1
    assert after.value(("b",), lambda: 5) == 5
    assert Kept(tmp_path).value(("b",), _refuse) == 5


def test_arrays_are_made_once(tmp_path):
    """With their types; a file that is not finished is none."""
    made = {"of 30% / all": np.arange(3, dtype=np.float32)}
    Kept(tmp_path).arrays(("vectors",), lambda: made)
    found = Kept(tmp_path).arrays(("vectors",), _refuse)
    assert list(found) == list(made)
    assert found["of 30% / all"].dtype == np.float32
    with pytest.raises(AssertionError, match="again"):
        Kept(tmp_path).arrays(("others",), _refuse)
    assert Kept(tmp_path).arrays(("others",), lambda: made)


def test_without_a_folder_nothing_is_kept():
    """Everything is made each time."""
    kept = Kept()
    assert [kept.value(("a",), lambda: 1), kept.value(("a",), lambda: 2)] == [1, 2]
    assert kept.arrays(("a",), dict) == {}


def test_settings_that_were_tried_are_not_fitted_again(shop, tmp_path, monkeypatch):
    """An interrupted choice goes on with the settings that are left, and chooses the same."""
    rounds = [(one, BaselineData.of(shop, one.split)) for one in tuning_rounds(shop, split(shop, 0), (0, 2))]
    whole = Contender("EASE", tuple(Ease(penalty) for penalty in (1.0, 30.0, 1000.0)))
    expected = choose(whole, rounds)
    choose(replace(whole, grid=whole.grid[:2]), rounds, Kept(tmp_path))
    fitted = []
    worth = tuning._worth
    monkeypatch.setattr(tuning, "_worth", lambda baseline, *rest: fitted.append(baseline) or worth(baseline, *rest))
    found = choose(whole, rounds, Kept(tmp_path))
    assert found == expected
    assert set(fitted) == {whole.grid[2]}


def test_entries_survive_as_arrays(shop):
    """All that is told and compared is there again, of parts of a ranking, too."""
    final = final_round(shop, split(shop, 0), (0, 2))
    material = BaselineData.of(shop, final.split)
    entries = list(enter(Contender("mean", (MeanOfHistory(TfIdf()),)), {}, final, material))
    found = from_arrays(to_arrays(entries), final.scenarios)
    assert [one.scenario.name for one in found] == [one.scenario.name for one in entries]
    assert "one ranking, new items" in {one.scenario.name for one in found}
    for one, other in zip(found, entries, strict=True):
        assert replace(one, scenario=other.scenario, evaluation=other.evaluation) == other
        assert one.evaluation.means() == other.evaluation.means()
        assert np.array_equal(one.scenario.candidates, other.scenario.candidates)
        assert np.array_equal(one.evaluation.users, other.evaluation.users)
        assert np.array_equal(one.evaluation.ndcg[10], other.evaluation.ndcg[10])


def test_the_fingerprint_is_of_data_and_encoder(shop, tiny_bert):
    """Another like, another word or another weight is another measurement; the same is the same."""
    encoder = pretrained.load(str(tiny_bert), 32)
    known = fingerprint(shop, encoder)
    assert fingerprint(shop, pretrained.load(str(tiny_bert), 32)) == known
    liked = shop.interactions.positive.copy()
    liked[3] = ~liked[3]
    item = replace(shop.items[0], attributes={**shop.items[0].attributes, "title": "another"})
    assert fingerprint(replace(shop, interactions=replace(shop.interactions, positive=liked)), encoder) != known
    assert fingerprint(replace(shop, items=(item, *shop.items[1:])), encoder) != known
    assert fingerprint(shop, pretrained.load(str(tiny_bert), 16)) != known


def test_a_measurement_that_was_interrupted_goes_on(described, training, tmp_path, monkeypatch):
    """What is finished is not fitted again, and the whole is what it would have been."""
    plan = Plan(description=described("shop"), training=training, bad_data=True, kept=tmp_path)
    settings = ColdStartSettings(seeds=(0,), known=(0,), samples=50)
    whole = bench_coldstart(plan, settings)
    for module, name in ((tuning, "_worth"), (measurement, "enter"), (variants, "encode")):
        monkeypatch.setattr(module, name, lambda *_, **__: _refuse())
    again = bench_coldstart(plan, settings)
    for part in ("measurements", "chosen", "scenarios", "groups"):
        assert again[part] == whole[part]
    with pytest.raises(AssertionError, match="again"):
        bench_coldstart(plan, replace(settings, seeds=(1,)))

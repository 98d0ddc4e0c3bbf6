"""Which runs and bundles are of which data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from emberline.bench.coldstart.datasets import measured_datasets
from emberline.engine.errors import ConfigError
from emberline.export.data.split import Fractions
from emberline.export.training.config import TrainConfig
from emberline.export.training.run import RunFolder, RunSettings


@pytest.fixture
def run_of(described, tmp_path):
    """Makes a folder that says of which data set a run is."""

    def make(name: str, data_set: str) -> Path:
        folder = RunFolder(tmp_path / name)
        folder.root.mkdir()
        folder.description.write_text(described(data_set).toml, encoding="utf-8")
        RunSettings(TrainConfig(), tmp_path / data_set, 0, Fractions()).write(folder.config)
        return folder.root

    return make


def _file(description) -> str:
    return str(description.base / f"{description.name}.toml")


def test_without_anything_the_built_in_is_measured():
    """MovieLens-100K, without runs."""
    (found,) = measured_datasets([], [], [], train=False)
    assert (found.description.name, found.runs, found.bundles) == ("ml-100k", (), ())


def test_runs_say_which_data_sets(run_of):
    """Those of the runs in their order, each with its runs, their bundles and where its data lies."""
    runs = [("one", run_of("a", "ads")), ("one", run_of("b", "shop")), ("two", run_of("c", "ads"))]
    bundles = [Path("A"), Path("B"), Path("C")]
    ads, shop = measured_datasets([], runs, bundles, train=True)
    assert (ads.description.name, shop.description.name) == ("ads", "shop")
    assert (ads.runs, ads.bundles) == ((runs[0], runs[2]), (bundles[0], bundles[2]))
    assert (shop.runs, shop.bundles) == ((runs[1],), (bundles[1],))
    assert shop.data is not None
    assert shop.data.name == "shop"


def test_a_run_goes_to_its_description(described, run_of):
    """Several descriptions share the runs; one takes them all, as it may be another version of theirs."""
    files = [_file(described(name)) for name in ("shop", "ads")]
    run = run_of("a", "ads")
    shop, ads = measured_datasets(files, [("Emberline", run)], [], train=False)
    assert (shop.runs, ads.runs) == ((), (("Emberline", run),))
    (alone,) = measured_datasets(files[:1], [("Emberline", run)], [], train=False)
    assert alone.runs == (("Emberline", run),)


def test_what_fits_nowhere_is_refused(described, run_of):
    """A run of another data set, a data set twice, and bundles without runs: the error says what to do."""
    files = [_file(described(name)) for name in ("shop", "ads")]
    with pytest.raises(ConfigError, match="is of articles, which is none of ads, shop; add its --description"):
        measured_datasets(files, [("Emberline", run_of("a", "articles"))], [], train=False)
    with pytest.raises(ConfigError, match="each data set can be measured once"):
        measured_datasets([files[0], files[0]], [], [], train=False)
    with pytest.raises(ConfigError, match="1 bundles and 0 runs"):
        measured_datasets(files, [], [Path("A")], train=False)

"""The same questions asked of a real server, over a socket, as a shop's program would ask them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from emberline.bench.harness.serving import ServerProcess
from emberline.engine.bundle import Bundle, Precision
from emberline.engine.client.blocking import Client
from emberline.engine.errors import BenchError
from emberline.engine.machine import cores
from emberline.engine.records import Floats, User
from emberline.engine.references import by_id
from emberline.export.data.records import Dataset
from emberline.export.evaluation.scenarios import Scenario

from .entries import Entry, put
from .subjects import Subject
from .tasks import Round

#: Seconds for an answer, of a bulk upsert on a slow machine too.
_TIMEOUT: Final = 300.0
#: Items that are upserted in one request.
_PART: Final = 256
#: Items by which a bundle is compared with its run.
COMPARED: Final = 32
#: Below this mean cosine to the item tower's vectors of the run, a bundle cannot have come from it: another precision
#: keeps more, another training of the same encoder less.
_SAME_MODEL: Final = 0.9


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A bundle behind a server."""

    subject: Subject  # the run that the bundle was exported from.
    bundle: Path  # its folder.
    precision: Precision  # precision of the bundle's encoder.
    in_process: bool = False  # whether its graphs run in this process, without a server.

    @property
    def name(self) -> str:
        """As it stands in the tables."""
        return f"{self.subject.name}, {self.precision}{'' if self.in_process else ' served'}"


def enter_served(served: ServedModel, dataset: Dataset, final: Round) -> Iterator[Entry]:
    """Start a server, give it all items, and ask it for the scores of all scenarios.

    The items are upserted by the text that they have in the data set: the vectors that the bundle's seed catalogue
    holds come from the encoder in fp32, and would hide what another precision costs.

    Raises:
        BenchError: the server did not start, or the bundle was not exported from the run.
    """
    bundle = Bundle.open_folder(served.bundle)
    encoder = bundle.manifest.files[bundle.manifest.encoders[served.precision].file]
    with (
        ServerProcess(str(served.bundle.absolute()), served.precision, cores()) as server,
        Client(server.address, timeout=_TIMEOUT) as client,
        ThreadPoolExecutor(cores()) as pool,
    ):
        client.wait_ready()
        began = time.perf_counter()
        for start in range(0, len(dataset.items), _PART):
            client.upsert_items(dataset.items[start : start + _PART])
        stored = client.get_items([item.id for item in dataset.items[:COMPARED]], vectors=True).items
        require_same_model(served, dataset, np.stack([item.vector for item in stored]))
        filling = time.perf_counter() - began
        most = client.info().max_inputs

        def answers(scenario: Scenario) -> Floats:
            return np.stack(list(pool.map(partial(_ask, client, dataset, scenario, most), range(len(scenario.users)))))

        yield from put(
            final,
            answers,
            method=served.name,
            kind="served",
            facts=served.subject.facts,
            settings=str(served.bundle),
            fit_seconds=filling,
            kept_mb=encoder.bytes / 1e6,
        )


def _ask(client: Client, dataset: Dataset, scenario: Scenario, most: int, query: int) -> Floats:
    """(C,) one user's scores of all candidates; of a history that is too long for a request, the latest."""
    person = dataset.users[scenario.users[query]]
    history = [by_id(dataset.items[item].id) for item in scenario.history[query][-most:]]
    user = User(attributes=person.attributes if scenario.profile else {}, history=tuple(history))
    ids = [dataset.items[item].id for item in scenario.candidates]
    parts = [[by_id(name) for name in ids[start : start + most]] for start in range(0, len(ids), most)]
    return np.concatenate([client.score(user, part).outputs["score"] for part in parts])


def require_same_model(served: ServedModel, dataset: Dataset, theirs: Floats) -> None:
    """Make sure that a bundle was exported from its run.

    Args:
        served: the bundle.
        dataset: the data set.
        theirs: (at most `COMPARED`, D) the bundle's vectors of the first items.

    Raises:
        BenchError: it was not.
    """
    ours, _, _ = served.subject.model.item(served.subject.model.encode(dataset.item_texts()[: len(theirs)]))
    length = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosine = float(((theirs * ours).sum(axis=1) / np.maximum(length, 1e-12)).mean())
    if cosine < _SAME_MODEL:
        raise not_its_run(served, f"mean cosine {cosine:.3f}")


def not_its_run(served: ServedModel, how: str) -> BenchError:
    """The error that a bundle was not exported from its run, and how one sees it."""
    return BenchError(
        f"{served.bundle} gives other vectors than {served.subject.run.folder.root} ({how}): it was not exported from "
        "that run; give one --bundle for each --run, in the same order"
    )

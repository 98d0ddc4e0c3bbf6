"""The models of a server: an engine each, by name. The default has the empty name and is always there."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from emberline.engine.bundle import BundleLayout
from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.errors import EmberlineError, InvalidInput, PermissionDenied, ShuttingDown, UnknownModel
from emberline.engine.metrics import Metrics
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.records import LoadedModel

from .memory import give_back

#: What other protocols call whichever model the server picks, because they have no word for it.
ANY: Final = "emberline"

_log: Final = logging.getLogger(__name__)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Copies of requests that are answered at a time. Beyond it they are left out, so that a slow model holds up nothing.
_SHADOWS: Final = 16


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a model gets of the requests that name none.

    Attributes:
        share: share of them that it answers.
        shadow: share of the others that it gets as well; these answers are dropped.
    """

    share: float = 0.0
    shadow: float = 0.0


class Models:
    """Loads, unloads and chooses models. Belongs to the event loop."""

    def __init__(
        self, default: Engine, config: EngineConfig, folder: Path | None, random: Random | None = None
    ) -> None:
        """Start with the default alone.

        Args:
            default: answers requests that name no model.
            config: settings of each engine, but for bundle and catalogue.
            folder: folder of the bundles that may be loaded by their names; None: none may.
            random: draws who answers a request; None: a new generator.
        """
        self._engines = {"": default}
        self._traffic: dict[str, Traffic] = {}
        self._config = config
        self._folder = folder
        self._random = random or Random()
        self._changing = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()
        self._closed = False
        self._shadows: dict[asyncio.Task[None], str] = {}  # by the names of the models that answer them

    @property
    def default(self) -> Engine:
        """The default model's engine."""
        return self._engines[""]

    def get(self, name: str) -> Engine:
        """Return the engine of a model by its name, or of the default by its model id.

        Raises:
            UnknownModel: no model of this name is loaded.
        """
        engine = self._engines.get(name)
        if engine is None:
            if name != self.default.provenance.model_id:
                raise UnknownModel(name)
            engine = self.default
        return engine

    def metrics(self, name: str) -> Metrics:
        """Return the metrics of a model; of the default if there is no such model."""
        return self._engines.get(name, self.default).metrics

    def choose(self) -> str:
        """Draw the model that answers a request which names none."""
        drawn = self._random.random() if self._traffic else 1.0
        for name, traffic in self._traffic.items():
            if drawn < traffic.share:
                return name
            drawn -= traffic.share
        return ""

    def shadow(self, answered_by: str, answer: Callable[[str], Awaitable[object]]) -> None:
        """Send a copy of a request which names no model to those that get one.

        Args:
            answered_by: name of the model that answers it.
            answer: answers and counts the copy, by a model's name.
        """
        for name, traffic in self._traffic.items():
            if name == answered_by or len(self._shadows) >= _SHADOWS:
                continue
            if traffic.shadow and self._random.random() < traffic.shadow:
                task = asyncio.create_task(_ignoring_errors(answer(name)))
                self._shadows[task] = name
                task.add_done_callback(self._shadows.pop)

    async def load(self, name: str, *, items: bool = False) -> None:
        """Load a model beside the others; load it again if it is loaded.

        Args:
            name: name of its bundle's folder.
            items: whether it gets the items of the default's catalogue, encoded by itself.

        Raises:
            PermissionDenied: the server has no folder of models.
            InvalidInput: the name cannot be that of a folder.
            EmberlineError: the bundle cannot be served; see `Engine.start`.
        """
        if self._folder is None:
            raise PermissionDenied("this server loads no models; start it with --models FOLDER")
        if not _NAME.fullmatch(name):
            raise InvalidInput("name", f"is {name!r}; a model's name has letters, digits, '.', '_' and '-'")
        settings = self._settings(name, self._folder)
        await self._change(lambda: self._load(name, settings, items))

    async def unload(self, name: str) -> None:
        """Unload a model, once its requests are answered, and give its memory back. Its copies of requests are dropped.

        Raises:
            InvalidInput: it is the default.
            UnknownModel: no model of this name is loaded.
        """
        if not name:
            raise InvalidInput("name", "is empty; the default model is unloaded with the server")
        await self._change(lambda: self._unload(name))

    def route(self, name: str, traffic: Traffic) -> None:
        """Set what a model gets of the requests that name none.

        Raises:
            InvalidInput: it is the default, or a share is not from 0 to 1, or all shares together are above 1.
            UnknownModel: no model of this name is loaded.
        """
        if not name:
            raise InvalidInput("name", "is empty; the default model gets what the others leave")
        self.get(name)
        for field, value in (("share", traffic.share), ("shadow", traffic.shadow)):
            if not 0 <= value <= 1:
                raise InvalidInput(field, f"is {value}; it must be from 0 to 1")
        others = sum(other.share for key, other in self._traffic.items() if key != name)
        if others + traffic.share > 1:
            raise InvalidInput("share", f"is {traffic.share}, and other models have {others:g}; together at most 1")
        self._traffic.pop(name, None)
        if traffic != Traffic():
            self._traffic[name] = traffic

    async def reload_default(self) -> None:
        """Load the default's bundle again; see `Engine.reloaded` and `Engine.hand_over` for the errors."""
        await self._change(lambda: self._reload(""))

    def list(self) -> tuple[LoadedModel, ...]:
        """Return the loaded models, the default first."""
        loaded = []
        for name, engine in self._engines.items():
            info, traffic = engine.info(), self._traffic.get(name, Traffic())
            loaded.append(
                LoadedModel(
                    name,
                    info.model_id,
                    info.precision,
                    info.fingerprint,
                    info.catalogue_items,
                    traffic.share,
                    traffic.shadow,
                )
            )
        return tuple(loaded)

    def available(self) -> tuple[str, ...]:
        """Return the names of the bundles that may be loaded, or are. Reads the folder, so it belongs on a thread."""
        if self._folder is None or not self._folder.is_dir():
            return ()
        folders = sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))
        return tuple(path.name for path in folders if BundleLayout(path).manifest.is_file())

    def abandon(self) -> None:
        """Give up what is being loaded, because the server ends."""
        self._closed = True

    async def drain(self) -> None:
        """Answer the requests in flight and stop all engines."""
        self.abandon()
        async with self._changing:
            for task in self._shadows:
                task.cancel()
            await asyncio.gather(*(engine.drain() for engine in self._engines.values()))

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all models, as a registry does; those of named models have the label ``model``."""
        named = {
            name: {family.name: family for family in engine.metrics.collect()}
            for name, engine in self._engines.items()
            if name
        }
        for family in self.default.metrics.collect():
            for name, families in named.items():
                for sample in families[family.name].samples:
                    family.samples.append(sample._replace(labels=sample.labels | {"model": name}))
            yield family

    async def _change(self, change: Callable[[], Awaitable[None]]) -> None:
        """Make a change, one at a time, and give back the memory of old models.

        A caller who leaves does not stop it, because an engine that is half started or half stopped would stay.
        """

        async def run() -> None:
            async with self._changing:
                if self._closed:
                    raise ShuttingDown
                await change()
                await give_back()

        task = asyncio.create_task(run())
        self._changes.add(task)
        task.add_done_callback(self._changed)
        await asyncio.shield(task)

    def _changed(self, task: asyncio.Task[None]) -> None:
        self._changes.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.debug("the models were not changed: %s", error)  # the caller gets it, if there still is one

    async def _load(self, name: str, settings: EngineConfig, items: bool) -> None:
        if name in self._engines:
            await self._reload(name)
            engine = self._engines[name]
        else:
            engine = await Engine.start(settings, PrometheusMetrics())
        try:
            if items:
                await engine.adopt_items(self.default, lambda: self._closed)
        except BaseException:
            if name not in self._engines:
                await engine.drain()
            raise
        self._engines[name] = engine

    async def _unload(self, name: str) -> None:
        engine = self.get(name)
        del self._engines[name]
        self._traffic.pop(name, None)
        for task in [task for task, answers in self._shadows.items() if answers == name]:
            task.cancel()
        await engine.drain()

    async def _reload(self, name: str) -> None:
        old = self._engines[name]
        engine = await old.reloaded(lambda: self._closed)
        await old.hand_over(engine, lambda: self._engines.__setitem__(name, engine))
        await old.retire()

    def _settings(self, name: str, folder: Path) -> EngineConfig:
        """Return the settings of a named model; its catalogue has the name of the default's, and its own."""
        place, catalogue_name = self._config.catalogue_location.place, self._config.catalogue_name
        if isinstance(place, str):
            return replace(self._config, bundle=folder / name, catalogue_name=f"{catalogue_name}.{name}")
        return replace(
            self._config, bundle=folder / name, catalogue=place.with_name(f"{place.stem}.{name}{place.suffix}")
        )


async def _ignoring_errors(answer: Awaitable[Any]) -> None:
    try:
        await answer
    except EmberlineError as error:
        _log.debug("the copy of a request failed: %s", error)
    except Exception:  # it is nobody's request
        _log.exception("the copy of a request failed")

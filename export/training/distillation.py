"""Distillation: a small encoder learns the vectors that a large one gives to a shop's texts and to made-up ones.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, with vectors in the place of classes.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.optim import AdamW

from emberline.engine.errors import DataError
from emberline.export.model import Emberline, TextEncoder
from emberline.export.progress import Progress

from .bank import Profiles
from .checkpoint import write_tensors
from .config import TrainConfig
from .distillconfig import DistillConfig
from .encoding import encode, tokens
from .examples import Examples
from .renderings import renderings
from .student import without_words

#: Share of the time that the steps have: the rest places items and measures.
_STEPS: Final = 0.75
#: Share of the steps over which the learning rate rises.
_RISE: Final = 0.05
#: How much the last step counts in the loss that is shown.
_LATEST: Final = 0.05
#: Texts already read, per new one, in a step of a static encoder, whose own steps cost next to nothing.
_AGAIN: Final = 7


@dataclass(slots=True)
class Distillation:
    """A student as it learns.

    Attributes:
        teacher: the whole model that is learnt from.
        student: what learns.
        tokenizer: of both.
        examples: whose texts are read; of what is held out, none.
        training: the settings of the teacher's training.
        config: the settings.
        step: how many are done.
        seconds: spent on them.
        done: whether it has ended.
        loss: the share of the teacher's vectors that the student missed, a mean of the last steps.
    """

    teacher: Emberline
    student: TextEncoder
    tokenizer: Tokenizer
    examples: Examples
    training: TrainConfig
    config: DistillConfig
    step: int = 0
    seconds: float = 0.0
    done: bool = False
    loss: float = 1.0

    def run(self, checkpoint: Path, progress: Progress) -> None:
        """Go through the steps that are left, and leave the end in the checkpoint.

        Args:
            checkpoint: a file that is gone on from if it is there.
            progress: receives the stage ``distilling``.

        Raises:
            DataError: the checkpoint is not of this student.
        """
        again, memory = 0 if self.student.config.num_hidden_layers else _AGAIN, _Memory([], [])
        optimizer = AdamW(self._learning(), lr=self.config.rate, weight_decay=0.0)
        peak = self.config.static_rate if again else self.config.rate
        self._resume(checkpoint, optimizer, memory)
        profiles, saved = Profiles.among(self.examples).texts, time.monotonic()
        with without_words(self.teacher.encoder):  # students get their own
            while not self.done:
                begin = time.monotonic()
                for group in optimizer.param_groups:
                    group["lr"] = peak * _share(self._gone())
                rng = np.random.default_rng([self.training.seed, self.step])
                texts = renderings(self.examples, profiles, self.training, rng, self.config.texts)
                aims = encode(self.teacher.encoder, self.tokenizer, texts)
                if again:
                    texts, aims = memory.widened(texts, aims, again, rng)
                optimizer.zero_grad(set_to_none=True)
                loss = self._loss(self.student(*tokens(self.tokenizer, texts)).sentence_embedding, aims)
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
                optimizer.step()
                self.loss += (_LATEST if self.step else 1.0) * (float(loss.detach()) - self.loss)
                self.step += 1
                now = time.monotonic()
                self.seconds += now - begin
                self.done = self._gone() >= 1
                progress("distilling", self.step, self.config.steps, {"loss": self.loss})
                if self.done or now - saved >= self.config.checkpoint_seconds:
                    self._save(checkpoint, optimizer, memory)
                    saved = now
        self.student.requires_grad_(False)

    @property
    def cut(self) -> bool:
        """Whether the time ran out."""
        return self.done and self.step < self.config.steps

    def _gone(self) -> float:
        """How much is behind, of the steps or of their time."""
        return max(self.step / self.config.steps, self.seconds / (60 * _STEPS * self.config.max_minutes))

    def _learning(self) -> list[nn.Parameter]:
        self.student.requires_grad_(False)
        embeddings = self.student.bert.embeddings.word_embeddings
        learning = self.student.bert.encoder if self.student.config.num_hidden_layers else embeddings
        learning.requires_grad_(True)
        return list(learning.parameters())

    def _loss(self, found: Tensor, aims: Tensor) -> Tensor:
        """The share of what tells the teacher's vectors apart that is missed, and of where its tower puts them."""
        tower = self.teacher.item_tower.text.weight.detach()
        return (_missed(found, aims) + _missed(found @ tower.T, aims @ tower.T)) / 2

    def _save(self, path: Path, optimizer: AdamW, memory: _Memory) -> None:
        state = {"student": self.student.bert.state_dict(), "optimizer": optimizer.state_dict()}
        at = {"step": self.step, "seconds": self.seconds, "done": self.done, "loss": self.loss}
        write_tensors(path, {**state, **at, "memory": memory.state(), "shape": self._shape()})

    def _shape(self) -> list[Any]:
        return [int(self.student.config.num_hidden_layers), self.config.steps, self.config.texts, self.training.seed]

    def _resume(self, path: Path, optimizer: AdamW, memory: _Memory) -> None:
        if not path.is_file():
            return
        try:
            raw = torch.load(path, weights_only=True)
            if raw["shape"] != self._shape():
                raise ValueError("it is of another student or other settings")
            self.student.bert.load_state_dict(raw["student"])
            optimizer.load_state_dict(raw["optimizer"])
            memory.texts, memory.aims = raw["memory"]["texts"], raw["memory"]["aims"]
            self.step, self.seconds, self.done, self.loss = (raw[name] for name in ("step", "seconds", "done", "loss"))
        except Exception as error:  # torch raises many kinds
            raise DataError(f"{path} cannot be resumed from ({error}); begin again with --again") from error


@dataclass(slots=True)
class _Memory:
    """Texts that the teacher has read, and their vectors, in the order that they came."""

    texts: list[list[str]]
    aims: list[Tensor]

    def widened(self, texts: list[str], aims: Tensor, again: int, rng: np.random.Generator) -> tuple[list[str], Tensor]:
        """Remember some texts, and add others that are remembered, up to so many batches."""
        self.texts.append(texts)
        self.aims.append(aims)
        drawn = rng.permutation(len(self.texts) - 1)[:again]
        more = [text for place in drawn for text in self.texts[place]]
        return texts + more, torch.cat([aims, *(self.aims[place] for place in drawn)])

    def state(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {"texts": self.texts, "aims": self.aims}


def _share(gone: float) -> float:
    """The share of the peak learning rate: a rise, then a fall along half a cosine to 0."""
    return (gone + 1e-3) / (_RISE + 1e-3) if gone < _RISE else 0.5 * (1 + math.cos(math.pi * min(1.0, gone)))


def _missed(found: Tensor, aims: Tensor) -> Tensor:
    spread = (aims - aims.mean(dim=0)).pow(2).sum()
    return (found - aims).pow(2).sum() / spread.clamp(min=1e-6)

"""What the result says of a variant that took part in `bench peers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emberline.bench.harness.driver import Worker
from emberline.bench.harness.records import VariantRecord, encoder_mb
from emberline.engine.bundle import Bundle

from .closeness import Closeness
from .evaluator import RankingQuality
from .processes import peak_mb


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRecord(VariantRecord):
    """Who took part.

    Attributes:
        packages: that run the model, each with its ``name`` and ``version``; none for Emberline, whose are those of the
            bench.
        agreement_at_10: of items' neighbours with PyTorch's.
        item_cold_ndcg_at_10: of items that training has not seen, ranked by its vectors through the bundle's towers;
            None if nothing was held out.
        user_cold_ndcg_at_10: likewise, for users that training has not seen.
        batch: texts a batch that were fastest for it offline; None: its default was, or it has no choice.
    """

    packages: Sequence[Mapping[str, str]]
    agreement_at_10: float
    item_cold_ndcg_at_10: float | None
    user_cold_ndcg_at_10: float | None
    batch: int | None


def record(
    worker: Worker, bundle: Bundle, found: Closeness, ranked: RankingQuality | None, batch: int | None
) -> PeerRecord:
    """Describe a variant whose worker still runs.

    Args:
        worker: the variant's.
        bundle: what Emberline serves.
        found: how close its vectors are.
        ranked: how well they rank; None if there was nothing to rank.
        batch: its best batch size, if that is not its default.
    """
    variant = worker.variant
    return PeerRecord(
        name=variant.name,
        engine=variant.engine,
        precision=variant.precision,
        path=variant.path,
        threads=variant.threads,
        encoder_mb=encoder_mb(worker, bundle),
        memory_mb=peak_mb(worker.model_pid),
        cosine_mean=found.cosine_mean,
        cosine_minimum=found.cosine_minimum,
        packages=[{"name": name, "version": said} for name, said in worker.about.get("packages", {}).items()],
        agreement_at_10=found.agreement_at_10,
        item_cold_ndcg_at_10=ranked.item_cold if ranked else None,
        user_cold_ndcg_at_10=ranked.user_cold if ranked else None,
        batch=batch,
    )

"""The layout of a bundle: the paths of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

Precision = Literal["fp32", "fp16", "int8", "int8-trt"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

#: What an encoder is computed in: the precision of its graph, or bfloat16, in which OpenVINO multiplies the graph of
#: fp32.
Arithmetic = Literal[Precision, "bf16"]
ARITHMETICS: Final[tuple[Arithmetic, ...]] = get_args(Arithmetic)


def graph_of(arithmetic: Arithmetic) -> Precision:
    """Return the precision of the graph that is computed in an arithmetic."""
    return "fp32" if arithmetic == "bf16" else arithmetic


@dataclass(frozen=True, slots=True)
class BundleLayout:
    """The paths of a bundle's files.

    Attributes:
        root: the bundle's folder; of a packed bundle its file, and the paths in it are names.
    """

    root: Path

    @property
    def manifest(self) -> Path:
        """The manifest. It is written last, so a folder without it is not a bundle."""
        return self.root / "manifest.json"

    @property
    def signature(self) -> Path:
        """The signature of the manifest, which lists the SHA-256 of all other files. Most bundles have none."""
        return self.root / "manifest.sig"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer, in the format of Hugging Face `tokenizers`."""
        return self.root / "tokenizer.json"

    def encoder(self, precision: Precision) -> Path:
        """The encoder's graph: tokens to `sentence_embedding` (B, H)."""
        return self.root / f"encoder.{precision}.onnx"

    @property
    def item_tower(self) -> Path:
        """`sentence_embedding` (B, H) to `item_embedding` (B, D), `item_bias` (B,), `item_attributes` (B, A).

        Since bundles have it, to `item_newness` (B,), too; see `Manifest.newness`.
        """
        return self.root / "item_tower.onnx"

    @property
    def user_tower(self) -> Path:
        """`history` (B, D), `profile` (B, H) and `history_length` (B,) to `user_embedding` and `user_attributes`."""
        return self.root / "user_tower.onnx"

    @property
    def match(self) -> Path:
        """`user_embedding`, `item_embedding` (B, D), `item_bias` (B,) to `probability`, `rating`, each (B,)."""
        return self.root / "match.onnx"

    @property
    def catalogue(self) -> Path:
        """The seed of the live catalogue: the training data's items with their vectors."""
        return self.root / "catalogue.sqlite"

    @property
    def report(self) -> Path:
        """The measurements and the verdict of the accuracy gate, per precision."""
        return self.root / "report.json"

    @property
    def selftest(self) -> Path:
        """Texts with their vectors where the bundle was packed. Only packed bundles have it."""
        return self.root / "selftest.json"

    @property
    def packed_costs(self) -> Path:
        """The encoder's speed where the bundle was packed. Few packed bundles have it."""
        return self.root / "costs.json"

    @property
    def live_catalogue(self) -> Path:
        """The default path of the live catalogue: beside the bundle, not inside it."""
        return self.root.parent / f"{self.root.name}.catalogue.sqlite"

    @property
    def costs(self) -> Path:
        """The file where an engine stores its measured speed, beside the bundle as well."""
        return self.root.parent / f"{self.root.name}.costs.json"

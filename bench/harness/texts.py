"""What is encoded: the bundle's own item texts, mixtures of short and long texts, or texts from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from tokenizers import Tokenizer

from emberline.engine.bundle import Bundle
from emberline.engine.catalogue.texts import item_texts as catalogue_texts
from emberline.engine.errors import BenchError, DataError

#: The set by which variants are compared, because it has what padding suffers from.
MIXED: Final = "mixed"
#: Lengths of the mixed set, in tokens, special ones included; a model that reads fewer gets as many as it reads.
SHORTEST: Final = 10
LONGEST: Final = 128
#: Of the beta distribution of lengths between them: mean 45, half of the texts below 37, one in ten above 90.
_SHAPE: Final = (0.8, 1.9)


#: Tokens of a text of growing work, at most: with short ones a hundred thousand are done in minutes, and whatever the
#: engine spends on a text besides arithmetic counts for more.
_SHORT: Final = 32


@dataclass(frozen=True, slots=True)
class TextSet:
    """Texts to encode."""

    name: str  # ``items``, ``mixed`` or a file's name.
    description: str  # what they are, in words.
    texts: tuple[str, ...]  # N texts.
    tokens: tuple[int, ...]  # (N,) how many tokens each has, special ones included, cut at the model's longest.

    @classmethod
    def of(cls, name: str, description: str, texts: Sequence[str], tokenizer: Tokenizer) -> TextSet:
        """Count the tokens of texts."""
        encodings = tokenizer.encode_batch(list(texts))
        return cls(name, description, tuple(texts), tuple(len(encoding.ids) for encoding in encodings))

    @property
    def sha256(self) -> str:
        """Of the texts, so that two results can be told to come from the same ones."""
        return hashlib.sha256("\0".join(self.texts).encode()).hexdigest()


def item_texts(bundle: Bundle) -> tuple[str, ...]:
    """The texts of the bundle's items, as the encoder reads them.

    Raises:
        BenchError: the bundle has no items.
    """
    texts = catalogue_texts(bundle)
    if not texts:
        raise BenchError(f"{bundle.layout.root} has no items to take texts from; pass --texts FILE, one text a line")
    return texts


def text_set(name: str, bundle: Bundle, *, count: int, seed: int) -> TextSet:
    """A set of texts by name.

    Args:
        name: ``items``: the bundle's item texts; ``mixed``: `SHORTEST` to `LONGEST` tokens made of their words, many
            short and some long; anything else: a file with one text a line.
        bundle: whose items and tokenizer.
        count: how many texts; fewer if there are fewer.
        seed: of the choice and the mixture.

    Raises:
        DataError: the file cannot be read or has no text.
        BenchError: the bundle has no items.
    """
    tokenizer = load_tokenizer(bundle)
    random = np.random.default_rng(seed)
    match name:
        case "items":
            texts, description = _sample(item_texts(bundle), count, random), "item texts of the bundle's catalogue"
        case "mixed":
            longest = min(LONGEST, bundle.manifest.max_length)
            texts = mixed(item_texts(bundle), tokenizer, count, random, longest)
            description = "made of the item texts' words, many short and some long"
        case _:
            texts, description = _sample(_lines(Path(name)), count, random), f"lines of {Path(name).name}"
    return TextSet.of(Path(name).name, description, texts, tokenizer)


def three_sets(bundle: Bundle, profiles: Sequence[str], *, count: int, longest: int, seed: int) -> tuple[TextSet, ...]:
    """The sets of `bench peers`: mixed lengths, a data set's own texts, and texts that leave nothing to sorting.

    Args:
        bundle: whose items' texts and tokenizer.
        profiles: the texts of the data set's users.
        count: texts a set; fewer if there are fewer.
        longest: texts of the set whose texts are all as long as the model reads.
        seed: of the choice and the mixture.
    """
    tokenizer = load_tokenizer(bundle)
    random = np.random.default_rng(seed)
    items = item_texts(bundle)
    real = _sample([*items, *filter(None, profiles)], count, random)
    filled = uniform(items, tokenizer, longest, random, bundle.manifest.max_length)
    return (
        text_set(MIXED, bundle, count=count, seed=seed),
        TextSet.of("real", "item texts and user profiles of the data set", real, tokenizer),
        TextSet.of("uniform", "made of the item texts' words, all as long as the model reads", filled, tokenizer),
    )


def growing_texts(bundle: Bundle, count: int, seed: int) -> tuple[str, ...]:
    """So many short texts of mixed lengths, hardly any of which is another's copy."""
    longest = min(_SHORT, bundle.manifest.max_length)
    return mixed(item_texts(bundle), load_tokenizer(bundle), count, np.random.default_rng(seed), longest)


def describe(texts: TextSet) -> dict[str, Any]:
    """A text set in a result: without its texts, but with their digest."""
    tokens = np.array(texts.tokens)
    return {
        "name": texts.name,
        "description": texts.description,
        "count": len(texts.texts),
        "tokens_mean": round(float(tokens.mean()), 1),
        "tokens_minimum": int(tokens.min()),
        "tokens_median": float(np.median(tokens)),
        "tokens_maximum": int(tokens.max()),
        "sha256": texts.sha256,
    }


def mixed(
    sources: Sequence[str], tokenizer: Tokenizer, count: int, random: np.random.Generator, longest: int = LONGEST
) -> tuple[str, ...]:
    """Texts of many lengths, made of the words of real ones."""
    shortest = min(SHORTEST, longest)
    words = _words(sources, tokenizer)
    special = len(tokenizer.encode("").ids)
    shares = random.beta(*_SHAPE, count)
    lengths = np.rint(shortest + (longest - shortest) * shares).astype(int)
    # Each word has at least one token, so so many words suffice; what is too long is cut behind its last whole word.
    chosen = [[words[index] for index in random.integers(len(words), size=length)] for length in lengths]
    return tuple(_fitting(entry, int(length) - special) for entry, length in zip(chosen, lengths, strict=True))


def uniform(
    sources: Sequence[str], tokenizer: Tokenizer, count: int, random: np.random.Generator, length: int
) -> tuple[str, ...]:
    """Texts that fill the model: each has `length` tokens once its last word has been cut."""
    words = _words(sources, tokenizer)
    texts = []
    for _ in range(count):
        chosen = [words[index] for index in random.integers(len(words), size=length)]
        sizes = np.cumsum([size for _, size in chosen])
        needed = int(np.searchsorted(sizes, length - len(tokenizer.encode("").ids))) + 1
        texts.append(" ".join(word for word, _ in chosen[:needed]))
    return tuple(texts)


def _words(sources: Sequence[str], tokenizer: Tokenizer) -> list[tuple[str, int]]:
    """The words of texts, each as often as it occurs, with its number of tokens."""
    words = [word for text in sources for word in text.split()]
    distinct = sorted(set(words))
    encodings = tokenizer.encode_batch(distinct, add_special_tokens=False)
    sizes = {word: len(encoding.ids) for word, encoding in zip(distinct, encodings, strict=True)}
    return [(word, sizes[word]) for word in words]


def _fitting(words: Sequence[tuple[str, int]], room: int) -> str:
    """As many of the words as have no more than `room` tokens; at least one."""
    kept = int(np.searchsorted(np.cumsum([size for _, size in words]), room, side="right"))
    return " ".join(word for word, _ in words[: max(1, kept)])


def _sample(texts: Sequence[str], count: int, random: np.random.Generator) -> tuple[str, ...]:
    chosen = random.permutation(len(texts))[:count]
    return tuple(texts[index] for index in chosen)


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as texts ({error}); pass `items`, `mixed` or a UTF-8 file with one text a line"
        ) from error
    texts = [line for line in lines if line]
    if not texts:
        raise DataError(f"{path} has no text; put one on each line")
    return texts


def load_tokenizer(bundle: Bundle) -> Tokenizer:
    """The bundle's tokenizer: it cuts at what the model reads, and does not pad."""
    tokenizer = Tokenizer.from_file(str(bundle.layout.tokenizer))
    tokenizer.no_padding()
    tokenizer.enable_truncation(bundle.manifest.max_length)
    return tokenizer

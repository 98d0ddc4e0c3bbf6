"""The words that an encoder wants in front of every text, such as `query: `."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from emberline.engine.errors import DataError

from .folder import read_json

#: Where sentence-transformers keeps them.
SETTINGS: Final = "config_sentence_transformers.json"


def default_prompt(folder: Path, source: str) -> str:
    """The prompt that sentence-transformers would put before every text; empty if there is none.

    Raises:
        DataError: the file that names it cannot be read, or names one that it does not have.
    """
    path = folder / SETTINGS
    if not path.is_file():
        return ""
    settings = read_json(path, source)
    name = settings.get("default_prompt_name")
    if name is None:
        return ""
    prompts = settings.get("prompts")
    if not isinstance(prompts, Mapping) or not isinstance(prompts.get(name), str):
        raise DataError(
            f"{source}/{SETTINGS} has no prompt {name!r}, its default_prompt_name; correct it or leave it out"
        )
    return str(prompts[name])


def prompted(tokenizer: Tokenizer, prompt: str, source: str) -> Tokenizer:
    """A tokenizer that puts a prompt's tokens before those of every text, in training and wherever its file is used.

    Args:
        tokenizer: is not changed.
        prompt: not empty.
        source: for the message.

    Raises:
        DataError: the tokenizer joins the prompt and a text to other tokens than those of each.
    """
    made = Tokenizer.from_str(tokenizer.to_str())
    ids = made.encode(prompt.rstrip(), add_special_tokens=False).ids
    before, after = _around(made)
    parts = {"before": before, "prompt": ids, "after": after}
    used = {name: numbers for name, numbers in parts.items() if numbers}
    made.post_processor = TemplateProcessing(
        single=[name for name in ("before", "prompt") if name in used] + ["$A"] + ["after"] * bool(after),
        special_tokens=[
            {"id": name, "ids": numbers, "tokens": [made.id_to_token(number) for number in numbers]}
            for name, numbers in used.items()
        ],
    )
    for word in ("a", "Tea, 12"):
        if made.encode(word).ids != tokenizer.encode(prompt + word).ids:
            raise DataError(
                f"the prompt {prompt!r} of {source} cannot be put before texts as tokens of its own; set "
                f"default_prompt_name to null in its {SETTINGS}, and write the prompt into a field of your own"
            )
    return made


def _around(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special tokens before and behind a text."""
    encoding = tokenizer.encode("a")
    own = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    if not own:
        return encoding.ids, []
    return encoding.ids[: own[0]], encoding.ids[own[-1] + 1 :]

import pytest

from emberline.engine.engine import Engine
from emberline.engine.errors import InvalidInput
from emberline.engine.records import EncodeRequest, ItemReference, RequestOptions, ScoreRequest, User

NOW = RequestOptions()
LONG = "the " * 40


async def test_a_text_that_may_not_be_cut_is_refused(engine: Engine) -> None:
    """The error names the text; what fits is encoded as ever."""
    with pytest.raises(InvalidInput, match=r"inputs\[1\].text: has more than 32 tokens"):
        await engine.encode(EncodeRequest(("the", LONG), truncate=False), NOW)
    kept = await engine.encode(EncodeRequest(("the",), truncate=False), NOW)
    cut = await engine.encode(EncodeRequest(("the", LONG)), NOW)
    assert kept.outputs["sentence_embedding"].tobytes() == cut.outputs["sentence_embedding"][:1].tobytes()
    assert cut.truncated.tolist() == [False, True]


@pytest.mark.parametrize(("profile", "item", "named"), [(LONG, "the", "user.profile"), ("the", LONG, "candidates[1]")])
async def test_scores_of_texts_that_may_not_be_cut_are_refused(
    engine: Engine, profile: str, item: str, named: str
) -> None:
    """The error names the user's text, or the candidate."""
    candidates = ItemReference(id="alien"), ItemReference(text=item)
    with pytest.raises(InvalidInput) as refusal:
        await engine.score(ScoreRequest(User(profile), candidates, truncate=False), NOW)
    assert refusal.value.field.startswith(named)
    await engine.score(ScoreRequest(User(profile), candidates), NOW)


async def test_tokens_stand_where_they_say(engine: Engine) -> None:
    """Places are in bytes; a text is shown whole, also where the encoder would cut it."""
    text = "the Ünd horror " + LONG
    tokens = await engine.tokenize(text, NOW)
    assert [token.text for token in tokens if token.special] == ["[CLS]", "[SEP]"]
    assert len(tokens) > 40
    raw = text.encode()
    shown = [(raw[token.start : token.stop].decode(), token.text) for token in tokens if not token.special]
    assert [place for place, _ in shown] == [name for _, name in shown]
    assert {"the", "Ü", "horror"} <= {name for _, name in shown}
    assert len(await engine.tokenize(text, NOW, specials=False)) == len(tokens) - 2


async def test_ids_become_text_again(engine: Engine) -> None:
    """Ids that are not in the vocabulary are left out."""
    ids = [token.id for token in await engine.tokenize("the horror", NOW, specials=False)]
    assert await engine.decode([*ids, 4_000_000_000], NOW) == "the horror"
    with pytest.raises(InvalidInput, match="ids: is empty"):
        await engine.decode([], NOW)
    with pytest.raises(InvalidInput, match="text: is empty"):
        await engine.tokenize(" ", NOW)

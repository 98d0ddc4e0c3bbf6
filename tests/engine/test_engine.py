import asyncio
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from tokenizers import Tokenizer

from emberline.engine.bundle import BundleLayout
from emberline.engine.config import MODES, EngineConfig, Mode
from emberline.engine.engine import Engine
from emberline.engine.errors import (
    DeadlineExceeded,
    InvalidInput,
    ShuttingDown,
)
from emberline.engine.records import (
    ENCODE_OUTPUTS,
    ITEM_OUTPUTS,
    SCORE_OUTPUTS,
    EncodeRequest,
    Floats,
    Item,
    ItemReference,
    RecommendRequest,
    RequestOptions,
    ScoreRequest,
    User,
)

TERMS = RequestOptions()
TEMPERATURE = 0.5


def _bare(bundle: Path, texts: list[str]) -> Floats:
    """The encoder's vectors, one text at a time and without anything of the engine."""
    layout = BundleLayout(bundle)
    tokenizer = Tokenizer.from_file(str(layout.tokenizer))
    session = ort.InferenceSession(layout.encoder("fp32"), providers=["CPUExecutionProvider"])
    rows = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        rows.append(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])
    return np.array(rows)


async def _encode(engine: Engine, *inputs: str | Item | User, output: str = "sentence_embedding") -> Floats:
    return (await engine.encode(EncodeRequest(inputs, (output,)), TERMS)).outputs[output]


async def test_vectors_are_the_encoders_whatever_the_batch(engine: Engine, tiny_bundle: Path) -> None:
    """Texts of all lengths, sent together and repeated, have the vectors that each has alone."""
    texts = [("the horror of comedy " * (1 + number % 7)) + str(number) for number in range(50)]
    texts += texts[:5]
    assert await _encode(engine, *texts) == pytest.approx(_bare(tiny_bundle, texts), abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
async def test_vectors_do_not_depend_on_the_mode(config: EngineConfig, tiny_bundle: Path, mode: Mode) -> None:
    """However the cores are used, alone or with others, a text has its vector."""
    engine = await Engine.start(replace(config, mode=mode))
    texts = ["the horror", "of comedy"]
    expected = _bare(tiny_bundle, texts)
    assert await _encode(engine, texts[0]) == pytest.approx(expected[:1], abs=1e-5)
    assert await _encode(engine, *texts) == pytest.approx(expected, abs=1e-5)
    await engine.drain()


async def test_one_pass_gives_all_outputs_of_an_item(engine: Engine) -> None:
    """An item's text and the same text given as it is have the same vectors and heads, each of its width."""
    item = Item("", {"year": 1979, "title": "Alien", "genres": ["Horror", "Sci-Fi"]})
    text = "title: Alien; year: 1979; genres: Horror, Sci-Fi"
    answer = await engine.encode(EncodeRequest((item, text), ("sentence_embedding", *ITEM_OUTPUTS)), TERMS)
    assert {name: array.shape for name, array in answer.outputs.items()} == {
        "sentence_embedding": (2, 16),
        "item_embedding": (2, 8),
        "item_bias": (2,),
        "item_attributes": (2, 3),
    }
    for array in answer.outputs.values():
        assert array[0] == pytest.approx(array[1])
    assert answer.tokens[0] == answer.tokens[1] > 2
    assert not answer.truncated.any()
    assert answer.provenance.model_id == "tiny-00000000"


async def test_an_items_outputs_are_those_in_the_catalogue(engine: Engine) -> None:
    """Encoding an item of the seed gives what the seed holds of it."""
    (stored,) = (await engine.get(["alien"], TERMS)).items
    answer = await engine.encode(EncodeRequest((stored.item,), ("sentence_embedding", *ITEM_OUTPUTS)), TERMS)
    assert answer.outputs["sentence_embedding"][0] == pytest.approx(stored.embedding, abs=1e-5)
    assert answer.outputs["item_embedding"][0] == pytest.approx(stored.vector, abs=1e-4)
    assert answer.outputs["item_bias"][0] == pytest.approx(stored.bias, abs=1e-4)


async def test_long_texts_are_marked_as_cut(engine: Engine) -> None:
    """The answer says how many tokens were read of each text, and whether there were more."""
    answer = await engine.encode(EncodeRequest(("the", "the " * 100)), TERMS)
    assert answer.tokens.tolist() == [3, 32]
    assert answer.truncated.tolist() == [False, True]


async def test_a_user_is_made_of_profile_and_history(engine: Engine, tiny_bundle: Path) -> None:
    """The history is the mean of its items' own vectors, whether they are given by id, by text or by vector."""
    film = "title: Alien; year: 1979; genres: Horror, Sci-Fi"
    vector = _bare(tiny_bundle, [film])[0]
    profile = {"gender": "F", "age": 25.0}
    by_id, by_text, by_vector = (
        User(attributes=profile, history=(reference, ItemReference(id="brazil")))
        for reference in (ItemReference(id="alien"), ItemReference(text=film), ItemReference(vector=vector))
    )
    found = await _encode(engine, by_id, by_text, by_vector, output="user_embedding")
    assert found[1] == pytest.approx(found[0], abs=1e-4)
    assert found[2] == pytest.approx(found[0], abs=1e-4)
    tower = ort.InferenceSession(BundleLayout(tiny_bundle).user_tower, providers=["CPUExecutionProvider"])
    alien, brazil = (await engine.get(["alien", "brazil"], TERMS)).items
    inputs = {
        "history": ((alien.vector + brazil.vector) / 2)[None, :],
        "profile": _bare(tiny_bundle, ["age: 25; gender: F"]),
        "history_length": np.array([2], np.float32),
    }
    assert found[0] == pytest.approx(tower.run(["user_embedding"], inputs)[0][0], abs=1e-4)


async def test_a_user_without_a_profile_has_zeros_for_its_vector(engine: Engine) -> None:
    """What is not known of a user reads as zeros, and as no tokens."""
    work = EncodeRequest((User(), User(profile="age: 25"), User(history=(ItemReference(id="alien"),))))
    answer = await engine.encode(work, TERMS)
    assert np.abs(answer.outputs["sentence_embedding"]).sum(axis=1).astype(bool).tolist() == [False, True, False]
    assert answer.tokens[[0, 2]].tolist() == [0, 0]


async def test_scores_follow_the_formula(engine: Engine) -> None:
    """The similarity is z_u·z_i / τ + b_i for candidates by id, text and vector; the heads come on request."""
    user = User(profile="age: 25", history=(ItemReference(id="alien"),))
    (stored,) = (await engine.get(["scream"], TERMS)).items
    text = "title: Scream; year: 1996; genres: Horror"
    candidates = (ItemReference(text=text), ItemReference(id="scream"), ItemReference(vector=stored.embedding))
    scored = await engine.score(ScoreRequest(user, candidates, SCORE_OUTPUTS), TERMS)
    z = (await _encode(engine, user, output="user_embedding"))[0]
    expected = z @ stored.vector / TEMPERATURE + stored.bias
    assert scored.outputs["score"] == pytest.approx([expected] * 3, abs=1e-3)
    probability = 1 / (1 + np.exp(-(z @ stored.vector + stored.bias)))
    assert scored.outputs["probability"] == pytest.approx([probability] * 3, abs=1e-4)
    assert scored.outputs["rating"] == pytest.approx([1 + 4 * probability] * 3, abs=1e-3)
    plain = await engine.score(ScoreRequest(user, candidates), TERMS)
    assert list(plain.outputs) == ["score"]


async def test_recommendations_are_the_best_scores(engine: Engine) -> None:
    """The ranking of the catalogue is the order of the scores, without what the user has liked."""
    user = User(profile="age: 25", history=(ItemReference(id="alien"),))
    others = ("airplane", "the-thing", "brazil", "clueless", "scream")
    scored = await engine.score(
        ScoreRequest(user, tuple(ItemReference(id=one) for one in others), SCORE_OUTPUTS), TERMS
    )
    best = np.argsort(-scored.outputs["score"])[:3]
    answer = await engine.recommend(RecommendRequest(user, k=3, outputs=("rating",)), TERMS)
    assert [item.id for item in answer.items] == [others[place] for place in best]
    assert [item.rating for item in answer.items] == pytest.approx(scored.outputs["rating"][best].tolist(), abs=1e-4)
    assert all(item.probability is None and item.reason is None for item in answer.items)
    assert answer.considered == 5


async def test_a_stranger_gets_recommendations_too(engine: Engine) -> None:
    """A user of whom nothing is known is legal: the biases rank."""
    answer = await engine.recommend(RecommendRequest(User(), k=100, reasons=True, outputs=("probability",)), TERMS)
    assert len(answer.items) == answer.considered == 6
    assert all(item.reason and item.reason.because_of == "" for item in answer.items)


async def test_an_upserted_item_is_recommendable_at_once(engine: Engine, config: EngineConfig) -> None:
    """When an upsert returns, the item is found, recommended, and in the file."""
    upserted = await engine.upsert((Item("nova", {"title": "Nova"}), Item("alien", text="title: Alien again")), TERMS)
    assert (upserted.inserted, upserted.replaced) == (1, 1)
    answer = await engine.recommend(RecommendRequest(User(), k=100), TERMS)
    assert "nova" in [item.id for item in answer.items]
    (nova, alien), unknown = (found := await engine.get(["nova", "alien", "nothing"], TERMS)).items, found.unknown_ids
    assert unknown == ("nothing",)
    assert alien.item == Item("alien", text="title: Alien again")
    assert nova.embedding == pytest.approx((await _encode(engine, "title: Nova"))[0], abs=1e-5)
    assert nova.updated == pytest.approx(time.time(), abs=60)
    assert (await engine.delete(["nova", "nova", "nothing"], TERMS)).deleted == 1
    assert (await engine.get(["nova"], TERMS)).unknown_ids == ("nova",)


async def test_a_deadline_that_has_passed_costs_nothing(engine: Engine) -> None:
    """Work that comes too late is refused before a text is looked at."""
    with pytest.raises(DeadlineExceeded, match="before the work began"):
        await engine.encode(EncodeRequest(("",)), RequestOptions(deadline=time.monotonic() - 1))
    assert engine.metrics.registry.get_sample_value("emberline_batch_texts_count") == 0


async def test_a_priority_out_of_range_is_refused(engine: Engine) -> None:
    """Nobody gets to the front by a number that the contract does not know."""
    with pytest.raises(InvalidInput, match=r"^priority: is 99"):
        await engine.encode(EncodeRequest(("x",)), RequestOptions(priority=99))


async def test_timings_add_up(engine: Engine) -> None:
    """Each stage's time is part of the total."""
    timings = (await engine.recommend(RecommendRequest(User(profile="age: 25")), TERMS)).timings
    stages = (timings.queue, timings.tokenize, timings.encode, timings.score)
    assert all(seconds > 0 for seconds in stages)
    assert sum(stages) <= timings.total


async def test_info_says_what_runs(engine: Engine) -> None:
    """A client learns widths, limits, labels and the gate's verdict from one call."""
    info = engine.info()
    assert (info.model_id, info.precision, info.gate) == ("tiny-00000000", "fp32", "passed")
    assert (info.hidden, info.dimensions, info.max_length, info.catalogue_items) == (16, 8, 32, 6)
    assert info.outputs == ENCODE_OUTPUTS
    assert info.device == "CPUExecutionProvider"
    assert info.uptime > 0


async def test_what_was_taken_is_answered_on_drain(config: EngineConfig) -> None:
    """A drain waits for the work that runs, and refuses new work meanwhile."""
    engine = await Engine.start(config)
    running = asyncio.create_task(_encode(engine, *(f"text {number}" for number in range(60))))
    await asyncio.sleep(0)  # let it begin
    draining = asyncio.create_task(engine.drain())
    await asyncio.sleep(0)  # let it begin
    with pytest.raises(ShuttingDown):
        await _encode(engine, "too late")
    await draining
    assert running.done()
    assert (await running).shape == (60, 16)

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from tokenizers import Tokenizer

from emberline.engine.bundle import NEWNESS, BundleLayout, Manifest
from emberline.engine.config import MODES, EngineConfig, Mode
from emberline.engine.engine import Engine
from emberline.engine.errors import (
    DeadlineExceeded,
    InvalidInput,
    ShuttingDown,
)
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.records import (
    ENCODE_OUTPUTS,
    ITEM_OUTPUTS,
    SCORE_OUTPUTS,
    EncodeRequest,
    Filter,
    Floats,
    Item,
    ItemReference,
    RecommendRequest,
    RequestOptions,
    ScoreRequest,
    User,
)

OPTIONS = RequestOptions()
TEMPERATURE = 0.5


def _bare(bundle: Path, texts: list[str]) -> Floats:
    """The encoder's vectors, one text at a time and without the engine."""
    layout = BundleLayout(bundle)
    tokenizer = Tokenizer.from_file(str(layout.tokenizer))
    session = ort.InferenceSession(layout.encoder("fp32"), providers=["CPUExecutionProvider"])
    rows = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        rows.append(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])
    return np.array(rows)


async def _encode(engine: Engine, *inputs: str | Item | User, output: str = "sentence_embedding") -> Floats:
    return (await engine.encode(EncodeRequest(inputs, (output,)), OPTIONS)).outputs[output]


async def test_vectors_are_the_encoders_whatever_the_batch(engine: Engine, tiny_bundle: Path) -> None:
    """Texts of all lengths, sent together and repeated, have the vectors that each has alone."""
    texts = [("the horror of comedy " * (1 + number % 7)) + str(number) for number in range(50)]
    texts += texts[:5]
    assert await _encode(engine, *texts) == pytest.approx(_bare(tiny_bundle, texts), abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
async def test_vectors_do_not_depend_on_the_mode(config: EngineConfig, tiny_bundle: Path, mode: Mode) -> None:
    """However the cores are used, a text has the same vector, alone and in a batch."""
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
    result = await engine.encode(EncodeRequest((item, text), ("sentence_embedding", *ITEM_OUTPUTS)), OPTIONS)
    assert {name: array.shape for name, array in result.outputs.items()} == {
        "sentence_embedding": (2, 16),
        "item_embedding": (2, 8),
        "item_bias": (2,),
        "item_attributes": (2, 3),
    }
    for array in result.outputs.values():
        assert array[0] == pytest.approx(array[1])
    assert result.tokens[0] == result.tokens[1] > 2
    assert not result.truncated.any()
    assert result.provenance.model_id == "tiny-00000000"


async def test_an_items_outputs_are_those_in_the_catalogue(engine: Engine) -> None:
    """Encoding an item of the seed gives the vectors that the seed holds."""
    (stored,) = (await engine.get(["alien"], OPTIONS)).items
    result = await engine.encode(EncodeRequest((stored.item,), ("sentence_embedding", *ITEM_OUTPUTS)), OPTIONS)
    assert result.outputs["sentence_embedding"][0] == pytest.approx(stored.embedding, abs=1e-5)
    assert result.outputs["item_embedding"][0] == pytest.approx(stored.vector, abs=1e-4)
    assert result.outputs["item_bias"][0] == pytest.approx(stored.bias, abs=1e-4)


async def test_long_texts_are_marked_as_truncated(engine: Engine) -> None:
    """The result has the number of tokens of each text, and whether the text was truncated."""
    result = await engine.encode(EncodeRequest(("the", "the " * 100)), OPTIONS)
    assert result.tokens.tolist() == [3, 32]
    assert result.truncated.tolist() == [False, True]


async def test_a_user_is_made_of_profile_and_history(engine: Engine, tiny_bundle: Path) -> None:
    """The history is the mean of its items' own vectors, whether they are given by id, by text or by vector."""
    film = "title: Alien; year: 1979; genres: Horror, Sci-Fi"
    vector = _bare(tiny_bundle, [film])[0]
    profile = {"gender": "F", "age": 25.0}
    by_id, by_text, by_vector = (
        User(attributes=profile, history=(reference, ItemReference(id="brazil")))
        for reference in (ItemReference(id="alien"), ItemReference(text=film), ItemReference(vector=vector))
    )
    vectors = await _encode(engine, by_id, by_text, by_vector, output="user_embedding")
    assert vectors[1] == pytest.approx(vectors[0], abs=1e-4)
    assert vectors[2] == pytest.approx(vectors[0], abs=1e-4)
    tower = ort.InferenceSession(BundleLayout(tiny_bundle).user_tower, providers=["CPUExecutionProvider"])
    alien, brazil = (await engine.get(["alien", "brazil"], OPTIONS)).items
    inputs = {
        "history": ((alien.vector + brazil.vector) / 2)[None, :],
        "profile": _bare(tiny_bundle, ["age: 25; gender: F"]),
        "history_length": np.array([2], np.float32),
    }
    assert vectors[0] == pytest.approx(tower.run(["user_embedding"], inputs)[0][0], abs=1e-4)


async def test_a_user_without_a_profile_has_zeros_for_its_vector(engine: Engine) -> None:
    """Missing parts of a user count as zeros, and as no tokens."""
    request = EncodeRequest((User(), User(profile="age: 25"), User(history=(ItemReference(id="alien"),))))
    result = await engine.encode(request, OPTIONS)
    assert np.abs(result.outputs["sentence_embedding"]).sum(axis=1).astype(bool).tolist() == [False, True, False]
    assert result.tokens[[0, 2]].tolist() == [0, 0]


async def test_scores_follow_the_formula(engine: Engine) -> None:
    """The score is z_u·z_i / τ + b_i for candidates by id, text and vector; the heads come on request."""
    user = User(profile="age: 25", history=(ItemReference(id="alien"),))
    (stored,) = (await engine.get(["scream"], OPTIONS)).items
    text = "title: Scream; year: 1996; genres: Horror"
    candidates = (ItemReference(text=text), ItemReference(id="scream"), ItemReference(vector=stored.embedding))
    scored = await engine.score(ScoreRequest(user, candidates, SCORE_OUTPUTS), OPTIONS)
    z = (await _encode(engine, user, output="user_embedding"))[0]
    expected = z @ stored.vector / TEMPERATURE + stored.bias
    assert scored.outputs["score"] == pytest.approx([expected] * 3, abs=1e-3)
    probability = 1 / (1 + np.exp(-(z @ stored.vector + stored.bias)))
    assert scored.outputs["probability"] == pytest.approx([probability] * 3, abs=1e-4)
    assert scored.outputs["rating"] == pytest.approx([1 + 4 * probability] * 3, abs=1e-3)
    plain = await engine.score(ScoreRequest(user, candidates), OPTIONS)
    assert list(plain.outputs) == ["score"]


async def test_recommendations_are_the_best_scores(engine: Engine) -> None:
    """The ranking of the catalogue is the order of the scores, without the user's history."""
    user = User(profile="age: 25", history=(ItemReference(id="alien"),))
    others = ("airplane", "the-thing", "brazil", "clueless", "scream")
    scored = await engine.score(
        ScoreRequest(user, tuple(ItemReference(id=item_id) for item_id in others), SCORE_OUTPUTS), OPTIONS
    )
    best = np.argsort(-scored.outputs["score"])[:3]
    result = await engine.recommend(RecommendRequest(user, k=3, outputs=("rating",)), OPTIONS)
    assert [item.id for item in result.items] == [others[place] for place in best]
    assert [item.rating for item in result.items] == pytest.approx(scored.outputs["rating"][best].tolist(), abs=1e-4)
    assert all(item.probability is None and item.reason is None for item in result.items)
    assert result.considered == 5


async def test_new_items_are_weighed_by_what_the_item_tower_says(config: EngineConfig, tiny_bundle: Path) -> None:
    """Stored and upserted items are raised by ln(w) times their newness, also after a restart; 1 changes no bit."""
    user = User(profile="age: 25", history=(ItemReference(id="alien"),))
    tower = ort.InferenceSession(BundleLayout(tiny_bundle).item_tower, providers=["CPUExecutionProvider"])
    for start in range(2):
        engine = await Engine.start(config)
        if not start:
            await engine.recommend(RecommendRequest(user, new_item_weight=2.0), OPTIONS)
            await engine.upsert((Item("moon", {"title": "Moon"}), Item("alien", {"title": "Aliens"})), OPTIONS)
        plain = await engine.recommend(RecommendRequest(user, k=100), OPTIONS)
        (same, weighed) = await engine.recommend_many(
            [RecommendRequest(user, k=100, new_item_weight=weight) for weight in (1.0, 50.0)], OPTIONS
        )
        assert same.items == plain.items
        ids = [item.id for item in plain.items]
        embeddings = np.stack([stored.embedding for stored in (await engine.get(ids, OPTIONS)).items])
        (newness,) = tower.run([NEWNESS], {"sentence_embedding": embeddings})
        raised = {item.id: item.score for item in weighed.items}
        expected = [item.score + np.log(50.0) * new for item, new in zip(plain.items, newness, strict=True)]
        assert [raised[item_id] for item_id in ids] == pytest.approx(expected, abs=1e-4)
        assert "moon" in raised
        assert [item.score for item in weighed.items] == sorted(raised.values(), reverse=True)
        await engine.drain()


async def test_a_bundle_that_cannot_tell_new_items_refuses_to_weigh_them(
    config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of an older Emberline serves all other requests, and says what to do for this one."""
    monkeypatch.setattr(Manifest, "newness", False)
    engine = await Engine.start(config)
    with pytest.raises(InvalidInput, match=r"^new_item_weight: is 2, and the bundle does not say .*export it again"):
        await engine.recommend(RecommendRequest(User(), new_item_weight=2.0), OPTIONS)
    assert (await engine.recommend(RecommendRequest(User()), OPTIONS)).items
    await engine.drain()


async def test_an_unknown_user_gets_recommendations(engine: Engine) -> None:
    """A user without profile and history is valid: the biases rank."""
    result = await engine.recommend(RecommendRequest(User(), k=100, reasons=True, outputs=("probability",)), OPTIONS)
    assert len(result.items) == result.considered == 6
    assert all(item.reason and item.reason.because_of == "" for item in result.items)


async def test_an_upserted_item_is_recommendable_at_once(engine: Engine, config: EngineConfig) -> None:
    """When an upsert returns, the item is found, recommended, and in the file."""
    upserted = await engine.upsert((Item("nova", {"title": "Nova"}), Item("alien", text="title: Alien again")), OPTIONS)
    assert (upserted.inserted, upserted.replaced) == (1, 1)
    result = await engine.recommend(RecommendRequest(User(), k=100), OPTIONS)
    assert "nova" in [item.id for item in result.items]
    (nova, alien), unknown = (
        (result := await engine.get(["nova", "alien", "nothing"], OPTIONS)).items,
        result.unknown_ids,
    )
    assert unknown == ("nothing",)
    assert alien.item == Item("alien", text="title: Alien again")
    assert nova.embedding == pytest.approx((await _encode(engine, "title: Nova"))[0], abs=1e-5)
    assert nova.updated == pytest.approx(time.time(), abs=60)
    assert (await engine.delete(["nova", "nova", "nothing"], OPTIONS)).deleted == 1
    assert (await engine.get(["nova"], OPTIONS)).unknown_ids == ("nova",)


async def test_a_deadline_that_has_passed_costs_nothing(engine: Engine) -> None:
    """A request that comes too late is rejected before its texts are read."""
    with pytest.raises(DeadlineExceeded, match="before the work began"):
        await engine.encode(EncodeRequest(("",)), RequestOptions(deadline=time.monotonic() - 1))
    assert engine.metrics.registry.get_sample_value("emberline_batch_texts_count") == 0


async def test_a_priority_out_of_range_is_refused(engine: Engine) -> None:
    """A priority outside the contract's range is an error."""
    with pytest.raises(InvalidInput, match=r"^priority: is 99"):
        await engine.encode(EncodeRequest(("x",)), RequestOptions(priority=99))


async def test_timings_add_up(engine: Engine) -> None:
    """Each stage's time is part of the total."""
    timings = (await engine.recommend(RecommendRequest(User(profile="age: 25")), OPTIONS)).timings
    stages = (timings.queue, timings.tokenize, timings.encode, timings.score)
    assert all(seconds > 0 for seconds in stages)
    assert sum(stages) <= timings.total


async def test_info_describes_the_engine(engine: Engine) -> None:
    """One call returns widths, limits, labels and the gate's verdict."""
    info = engine.info()
    assert (info.model_id, info.precision, info.gate) == ("tiny-00000000", "fp32", "passed")
    assert (info.hidden, info.dimensions, info.max_length, info.catalogue_items) == (16, 8, 32, 6)
    assert info.outputs == ENCODE_OUTPUTS
    assert info.device == "CPUExecutionProvider"
    assert info.uptime > 0


async def test_requests_in_flight_are_answered_on_drain(config: EngineConfig) -> None:
    """A drain waits for the requests in flight, and rejects new ones meanwhile."""
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


async def test_answers_say_what_the_model_was_not_trained_for(engine: Engine) -> None:
    """Attributes that it does not know and texts of unknown tokens; a request without either has no warnings."""
    user = User(attributes={"age": 30.0, "gender": "F"})
    assert (await engine.recommend(RecommendRequest(user), RequestOptions())).provenance.warnings == ()
    user = User(attributes={"agee": 30.0, "gender": "F"})
    (warning,) = (await engine.recommend(RecommendRequest(user), RequestOptions())).provenance.warnings
    assert "'agee' (did you mean 'age'?)" in warning
    item = Item("earphones", {"titel": "蓝牙降噪耳机"})
    strange, unknown = (await engine.upsert((item,), RequestOptions())).provenance.warnings
    assert "'titel' (did you mean 'title'?)" in strange
    assert "of the tokens are unknown to the model's tokenizer, as in 'titel: 蓝牙降噪耳机'" in unknown
    text = "the the the the the the the the the the the the the the the the the the the the 蓝"
    encoded = await engine.encode(EncodeRequest((text,), ("sentence_embedding",)), RequestOptions())
    assert encoded.provenance.warnings == ()  # one of 21 tokens is less than 5 %


async def test_numbers_that_come_as_texts_are_read(engine: Engine) -> None:
    """At upsert, in a profile and to encode; what is no number is refused, and nothing is stored."""
    options = RequestOptions()
    await engine.upsert((Item("moon", {"title": "Moon", "year": " 2009 "}),), options)
    found = await engine.get(("moon",), options)
    assert found.items[0].item.attributes == {"title": "Moon", "year": 2009.0}
    filters = (Filter("year", minimum=2009.0),)
    answer = await engine.recommend(RecommendRequest(User(attributes={"age": "30"}), filters=filters), options)
    assert [item.id for item in answer.items] == ["moon"]
    with pytest.raises(InvalidInput, match=r"items\[1\]\.attributes\.year: is the text 'late'"):
        await engine.upsert((Item("a", {"title": "A"}), Item("b", {"title": "B", "year": "late"})), options)
    assert (await engine.get(("a", "b"), options)).unknown_ids == ("a", "b")
    with pytest.raises(InvalidInput, match=r"user\.attributes\.age: is the text 'old'"):
        await engine.recommend(RecommendRequest(User(attributes={"age": "old"})), options)
    asked = Item("", {"title": "Moon", "year": "soon"})
    with pytest.raises(InvalidInput, match=r"inputs\[0\]\.item\.attributes\.year"):
        await engine.encode(EncodeRequest((asked,), ("sentence_embedding",)), options)


async def test_many_users_count_as_one_request(config: EngineConfig) -> None:
    """Their texts together may be more than the queue holds, as those of Encode may, and are encoded once each."""
    metrics = PrometheusMetrics()
    engine = await Engine.start(replace(config, max_waiting_tokens=600, max_inputs=100, max_cache_bytes=0), metrics)
    profiles = [f"the horror of comedy {number % 90} " + "comedy " * 20 for number in range(100)]
    results = await engine.recommend_many([RecommendRequest(User(profile), 2) for profile in profiles], OPTIONS)
    assert [[item.id for item in one.items] for one in results[:10]] == [
        [item.id for item in one.items] for one in results[90:]
    ]
    assert metrics.registry.get_sample_value("emberline_texts_total", {"outcome": "encoded"}) == 90
    both = User("age: 25", history=(ItemReference(text="the horror"),))
    texts = [RecommendRequest(replace(both, profile=f"age: {number}"), 2) for number in range(100)]
    with pytest.raises(InvalidInput, match=r"^requests: have 101 different texts, the limit is 100"):
        await engine.recommend_many(texts, OPTIONS)
    with pytest.raises(InvalidInput, match=r"^requests\[1\]\.filters\[0\]\.field|^requests\[1\]\.k"):
        await engine.recommend_many([RecommendRequest(User(), 2), RecommendRequest(User(), 0)], OPTIONS)
    await engine.drain()

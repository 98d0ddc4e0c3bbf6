"""What becomes of the encoder's vectors, on the tiny bundle."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from emberline.engine.engine import Engine
from emberline.engine.errors import UnknownItem
from emberline.engine.records import (
    ENCODE_OUTPUTS,
    SCORE_OUTPUTS,
    EncodeRequest,
    Filter,
    Floats,
    ItemReference,
    RecommendRequest,
    RequestOptions,
    ScoreRequest,
    User,
)
from emberline.engine.scoring.heads import UserHeads
from emberline.engine.scoring.history import pool

OPTIONS = RequestOptions()
IDS = ("alien", "airplane", "the-thing", "brazil", "clueless", "scream")


async def test_each_candidate_has_the_score_that_it_has_alone(engine: Engine) -> None:
    """However ids, texts and vectors are mixed, no candidate is given another one's score."""
    (stored,) = (await engine.get(["scream"], OPTIONS)).items
    candidates = (
        ItemReference(text="title: Nova"),
        ItemReference(id="brazil"),
        ItemReference(text="title: Super Nova; genres: Comedy"),
        ItemReference(vector=stored.embedding),
        ItemReference(text="title: Nova"),
        ItemReference(id="alien"),
    )
    user = User(profile="age: 25", history=(ItemReference(id="alien"), ItemReference(text="title: Vega")))
    together = (await engine.score(ScoreRequest(user, candidates, SCORE_OUTPUTS), OPTIONS)).outputs
    for index, candidate in enumerate(candidates):
        alone = (await engine.score(ScoreRequest(user, (candidate,), SCORE_OUTPUTS), OPTIONS)).outputs
        for name in SCORE_OUTPUTS:
            assert together[name][index] == pytest.approx(alone[name][0], abs=1e-4)
    assert len(set(together["score"].round(4).tolist())) == 5  # all but the text that is there twice


async def test_recommended_items_have_their_own_heads(engine: Engine) -> None:
    """Score, probability and rating of every recommendation are those that Score gives for its id."""
    user = User(profile="age: 25", history=(ItemReference(id="alien"),))
    request = RecommendRequest(user, k=6, include_history=True, outputs=("probability", "rating"))
    items = (await engine.recommend(request, OPTIONS)).items
    candidates = tuple(ItemReference(id=item.id) for item in items)
    scored = (await engine.score(ScoreRequest(user, candidates, SCORE_OUTPUTS), OPTIONS)).outputs
    assert sorted(item.id for item in items) == sorted(IDS)
    assert [item.score for item in items] == pytest.approx(scored["score"].tolist(), abs=1e-4)
    assert [item.probability for item in items] == pytest.approx(scored["probability"].tolist(), abs=1e-4)
    assert [item.rating for item in items] == pytest.approx(scored["rating"].tolist(), abs=1e-4)
    assert len({round(item.score, 4) for item in items}) == 6


async def test_a_history_is_folded_as_the_manifest_says(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user tower reads the mean of what is trained, and the factors folded in with the manifest's ridge."""
    scorer = engine._scorer
    given = []

    def record(history: Floats, profile: Floats, length: Floats) -> UserHeads:
        given.append(history)
        return user(history, profile, length)

    user = scorer._heads.user
    monkeypatch.setattr(scorer._heads, "user", record)
    monkeypatch.setattr(scorer, "_manifest", msgspec.structs.replace(scorer._manifest, factors=2, fold_ridge=0.5))
    liked = [ItemReference(id="alien"), ItemReference(id="brazil")]
    await engine.score(ScoreRequest(User(history=tuple(liked)), (liked[0],), ("score",)), OPTIONS)
    vectors = np.stack([one.vector for one in (await engine.get(["alien", "brazil"], OPTIONS)).items])
    np.testing.assert_allclose(given[0][0], pool(vectors, 2, 0.5), rtol=1e-5)
    assert not np.allclose(given[0][0], vectors.mean(axis=0))


async def test_a_history_by_text_or_vector_leaves_no_item_out(engine: Engine) -> None:
    """Likes that are not in the catalogue exclude nothing from it."""
    (stored,) = (await engine.get(["scream"], OPTIONS)).items
    history = (ItemReference(text="title: Nova"), ItemReference(vector=stored.embedding))
    result = await engine.recommend(RecommendRequest(User(history=history), k=6), OPTIONS)
    assert result.considered == 6
    assert sorted(item.id for item in result.items) == sorted(IDS)


async def test_every_reason_is_its_items_own(engine: Engine) -> None:
    """Nearness is the cosine to the like that is named, and predicted likes are the item's among the likeliest."""
    user = User(profile="age: 25", history=(ItemReference(id="alien"), ItemReference(id="clueless")))
    items = (await engine.recommend(RecommendRequest(user, k=6, reasons=True), OPTIONS)).items
    assert len(items) == 4
    stored = {item.item.id: item for item in (await engine.get(IDS, OPTIONS)).items}
    likes = (await engine.encode(EncodeRequest((user,), ("user_attributes",)), OPTIONS)).outputs["user_attributes"][0]
    likeliest = engine.info().user_labels[int(np.argmax(likes))]  # a third of the three labels
    for item in items:
        assert item.reason is not None
        cosines = {name: float(stored[item.id].embedding @ stored[name].embedding) for name in ("alien", "clueless")}
        assert item.reason.because_of == max(cosines, key=cosines.__getitem__)
        assert item.reason.nearness == pytest.approx(max(cosines.values()), abs=1e-5)
        own = {f"genres={genre}" for genre in stored[item.id].item.attributes["genres"]}
        like = {f"genres={genre}" for genre in stored[item.reason.because_of].item.attributes["genres"]}
        assert set(item.reason.shared_attributes) == own & like
        assert item.reason.predicted_likes == ((likeliest,) if likeliest in own else ())
    assert len({item.reason.nearness for item in items if item.reason}) == 4


async def test_users_keep_their_own_profiles(engine: Engine) -> None:
    """With and without profiles, in any order and some of them twice, each user has the vector of its own."""
    profiles = ("age: 25", "", "age: 60; gender: F", "age: 25", "")
    users = tuple(User(profile=profile) for profile in profiles)
    names = ("sentence_embedding", "user_embedding", "user_attributes")
    together = (await engine.encode(EncodeRequest(users, names), OPTIONS)).outputs
    for index, user in enumerate(users):
        alone = (await engine.encode(EncodeRequest((user,), names), OPTIONS)).outputs
        for name in names:
            assert together[name][index] == pytest.approx(alone[name][0], abs=1e-5)
    assert not np.allclose(together["sentence_embedding"][0], together["sentence_embedding"][2], atol=1e-3)


async def test_a_history_is_read_only_where_it_matters(engine: Engine) -> None:
    """The encoder's vector of a user is the profile's: the history is neither looked up nor encoded for it."""
    user = User(profile="age: 25", history=(ItemReference(text="title: Nova"), ItemReference(id="missing")))
    await engine.encode(EncodeRequest((user,), ("sentence_embedding",)), OPTIONS)
    assert engine.metrics.registry.get_sample_value("emberline_batch_texts_sum") == 1
    with pytest.raises(UnknownItem):
        await engine.encode(EncodeRequest((user,), ("sentence_embedding", "user_embedding")), OPTIONS)


async def test_a_given_text_comes_before_attributes(engine: Engine) -> None:
    """A user with a profile's text and attributes is encoded by the text alone."""
    names = ("sentence_embedding",)
    both, text, attributes = (
        User(profile=profile, attributes=attributes)
        for profile, attributes in (("age: 25", {"age": 60.0}), ("age: 25", {}), ("", {"age": 60.0}))
    )
    vectors = (await engine.encode(EncodeRequest((both, text, attributes), names), OPTIONS)).outputs[names[0]]
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)
    assert not np.allclose(vectors[0], vectors[2], atol=1e-3)


async def test_all_outputs_come_in_the_order_in_which_they_were_asked_for(engine: Engine) -> None:
    """An answer has the outputs that were named, and no others."""
    for names in (("item_bias", "sentence_embedding"), ("item_attributes",)):
        assert tuple((await engine.encode(EncodeRequest(("the",), names), OPTIONS)).outputs) == names
    assert set(ENCODE_OUTPUTS) > {"item_bias", "item_attributes"}


async def test_the_count_is_of_what_filters_and_exclusions_leave(engine: Engine) -> None:
    """`considered` counts neither what a filter takes out nor what is excluded, whatever k is."""
    horror = Filter("genres", ("Horror",))
    request = RecommendRequest(User(), k=1, filters=(horror,), exclude_ids=("scream",))
    assert (await engine.recommend(request, OPTIONS)).considered == 2

"""What a run trains on: no company on both sides of a fold, nor a copy of its posts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the config knows its encoder (extra train)")

from replyrank.data.companies import companies_mentioned
from replyrank.data.errors import UsageError
from replyrank.training.config import FallbackConfig, StageConfig, StudentConfig, TrainConfig
from replyrank.training.material import Material, load_material
from tests.encoders import COMPANIES, dataset_row, toy_posts, write_dataset

POSTS = toy_posts(8)
ABOUT = "the dead line at our house since monday morning"
AUXILIARY = [
    dataset_row("a calm post of no company at all", labels=(-1, -1, 2), source="mood"),
    dataset_row("hello @delta what a day", labels=(-1, -1, 0), source="mood"),
    dataset_row("my bag was never found", labels=(-1, -1, 0), source="air", company="delta"),
    dataset_row("is @EE down for anybody else", labels=(-1, -1, 1), source="air"),
    dataset_row("one more sad song in the rain", labels=(-1, -1, 0), source="air"),
    dataset_row(ABOUT.upper(), labels=(-1, -1, 0), source="air"),
]


def _config(**changes: Any) -> FallbackConfig:
    fields: dict[str, Any] = {"kind": "linear", "name": "toy", "folds": 4}
    return FallbackConfig(**(fields | changes))


def _reading(*corpora: str) -> TrainConfig:
    """A config whose student reads texts of some corpora."""
    rate: dict[str, Any] = {"epochs": 1, "learning_rate": 1e-3}
    return TrainConfig(
        name="toy",
        folds=4,
        unlabelled=corpora,
        posts_stage=StageConfig(**rate),
        student_stage=StudentConfig(layers=(0,), **rate),
    )


def _material(folder: Path, posts: list[dict[str, Any]] | None = None, **changes: Any) -> Material:
    splits = {"posts_train": POSTS if posts is None else posts, "auxiliary": AUXILIARY}
    return load_material(_config(**changes), write_dataset(folder / "dataset", **splits))


def test_posts_come_as_they_are_stored(tmp_path: Path) -> None:
    material = _material(tmp_path)
    assert material.posts.texts == tuple(row["text"] for row in POSTS)
    for column in ("intent", "urgency", "sentiment"):
        values = getattr(material.posts, column)
        assert values.tolist() == [row[column] for row in POSTS]
        assert values.dtype == np.int64


def test_no_company_stands_on_both_sides(tmp_path: Path) -> None:
    material = _material(tmp_path)
    company = {row["text"]: row["company"] for row in POSTS}
    seen: list[str] = []
    for fold in range(4):
        held_out = {company[material.posts.texts[row]] for row in material.fold_rows(fold)}
        training = material.fold_training(fold)
        assert len(held_out) == 1
        assert held_out.isdisjoint(company[text] for text in training.texts)
        assert {company[text] for text in training.texts} == COMPANIES.keys() - held_out
        assert set(material.fold_posts(fold).texts) == set(training.texts) & {*company}
        seen += held_out
    assert sorted(seen) == sorted(COMPANIES)


def test_a_post_that_names_a_held_out_company_does_not_train(tmp_path: Path) -> None:
    crossing = dataset_row("both @delta and @EE fail me", labels=(2, 0, 0), company="spotify")
    material = _material(tmp_path, [*POSTS, crossing])
    fold_of = {row["company"]: fold for row, fold in zip(POSTS, material.folds[:-1], strict=True)}
    trains = {fold for fold in range(4) if crossing["text"] in material.fold_training(fold).texts}
    assert trains == {fold_of["three_uk"]}


def test_companions_of_held_out_companies_and_copies_are_dropped(tmp_path: Path) -> None:
    about = dataset_row(f"@EE {ABOUT}", labels=(0, 1, 0), company="ee")
    material = _material(tmp_path, [*POSTS, about], companions={"air": 10})
    fold_of = {row["company"]: fold for row, fold in zip(POSTS, material.folds, strict=False)}
    for company, fold in fold_of.items():
        beside = set(material.fold_training(fold).texts) - {row["text"] for row in POSTS}
        expected = {
            *(row["text"] for row in AUXILIARY[2:] if row["source"] == "air"),
            about["text"],
        }
        if company == "delta":
            expected -= {AUXILIARY[2]["text"]}
        if company == "ee":
            expected -= {AUXILIARY[3]["text"], ABOUT.upper(), about["text"]}
        assert beside == expected
    everything = material.all_training().texts
    assert len(everything) == len(POSTS) + 1 + 4


def test_texts_are_read_without_labels_where_the_config_names_their_corpus(tmp_path: Path) -> None:
    read = [
        dataset_row(text, labels=(-1, -1, -1), source=source)
        for source, text in (("stream", "the mast is down"), ("other", "rain again"))
    ]
    folder = write_dataset(tmp_path / "dataset", posts_train=POSTS, unlabelled=read)
    material = load_material(_reading("stream"), folder)
    assert material.unlabelled == ("the mast is down",)
    assert material.counts["read without labels"] == {"stream": 1}
    bare = load_material(_config(), folder)
    assert bare.unlabelled == ()
    assert bare.fingerprint() != material.fingerprint()
    with pytest.raises(UsageError, match="no unlabelled texts of news, which the config names"):
        load_material(_reading("news"), folder)


def test_texts_of_the_companies_of_a_fold_are_not_read_by_its_model(tmp_path: Path) -> None:
    texts = {"ee": "@EE the mast is down", "delta": "my Delta flight, gone", "": "rain again"}
    read = [
        dataset_row(text, labels=(-1, -1, -1), company=company, source="stream")
        for company, text in texts.items()
    ]
    folder = write_dataset(tmp_path / "dataset", posts_train=POSTS, unlabelled=read)
    material = load_material(_reading("stream"), folder)
    for fold in range(4):
        aside = {material.places[row].company for row in material.fold_rows(fold)}
        kept = {text for company, text in texts.items() if company not in aside}
        assert set(material.fold_unlabelled(fold)) == kept
    assert {"ee", "delta"} <= {place.company for place in material.places}


def test_added_posts_train_and_are_not_measured(tmp_path: Path) -> None:
    added = [
        dataset_row("@EE the mast has burnt down", labels=(0, 3, 0), company="ee"),
        dataset_row(f"{POSTS[0]['text']}!", labels=(0, 1, 0)),
        dataset_row("nobody is in the shop at noon", labels=(2, 1, 0)),
    ]
    folder = write_dataset(tmp_path / "dataset", posts_train=POSTS, posts_added=added)
    material = load_material(_config(added_posts=True), folder)
    texts = [row["text"] for row in added]
    fold_of = {row["company"]: fold for row, fold in zip(POSTS, material.folds, strict=True)}
    for company, fold in fold_of.items():
        beside = set(material.fold_training(fold).texts) & set(texts)
        kept = {*texts} - ({texts[0]} if company == "ee" else set())
        assert beside == kept - ({texts[1]} if company == POSTS[0]["company"] else set())
    assert material.posts.texts == tuple(row["text"] for row in POSTS)
    assert material.all_training().texts[len(POSTS) :] == tuple(texts)
    assert material.counts["added posts"] == {"toy": 3}
    assert load_material(_config(), folder).companions.texts == ()
    older = write_dataset(tmp_path / "older", posts_train=POSTS)
    with pytest.raises(UsageError, match="has no added posts, which the config asks for"):
        load_material(_config(added_posts=True), older)


def test_added_posts_may_come_first_and_stand_beside_as_companions(tmp_path: Path) -> None:
    added = [
        dataset_row("the mast has burnt down", labels=(0, 3, 0), source="written"),
        dataset_row("the mast is up again", labels=(1, 0, 2), source="written"),
        dataset_row("nobody is in the shop at noon", labels=(2, 1, 0)),
    ]
    splits = {"posts_train": POSTS, "posts_added": added, "auxiliary": AUXILIARY}
    folder = write_dataset(tmp_path / "dataset", **splits)
    first = load_material(_config(added_posts=True, auxiliary=("mood", "written")), folder)
    assert first.auxiliary.texts == (
        AUXILIARY[0]["text"], added[0]["text"], added[1]["text"],
    )  # fmt: skip
    assert first.companions.texts == (added[2]["text"],)
    both = load_material(
        _config(added_posts=True, auxiliary=("written",), companions={"written": 1}), folder
    )
    beside, drawn = both.companions.texts
    assert beside == added[2]["text"]
    assert drawn in {added[0]["text"], added[1]["text"]}
    assert both.counts["beside"] == {"written": 1}
    with pytest.raises(UsageError, match="has no rows of written, which the config names"):
        load_material(_config(auxiliary=("written",)), folder)


def test_the_first_stage_has_nothing_to_do_with_companies(tmp_path: Path) -> None:
    material = _material(tmp_path, auxiliary=("mood", "air"))
    assert set(material.auxiliary.texts) == {AUXILIARY[row]["text"] for row in (0, 4, 5)}
    assert not any(companies_mentioned(text) for text in material.auxiliary.texts)
    assert _material(tmp_path / "none").auxiliary.texts == ()


def test_companions_are_drawn_by_the_seed(tmp_path: Path) -> None:
    extra = [
        dataset_row(f"song {number} of the long rain", labels=(-1, -1, 1), source="many")
        for number in range(50)
    ]
    folder = write_dataset(tmp_path / "dataset", posts_train=POSTS, auxiliary=extra)
    one, same, other = (
        load_material(_config(companions={"many": 10}, seed=seed), folder).companions.texts
        for seed in (1, 1, 2)
    )
    assert len(one) == 10
    assert one == same != other


def test_posts_of_no_company_train_and_are_not_measured(tmp_path: Path) -> None:
    lonely = dataset_row("nobody in particular answers", labels=(2, 0, 0))
    material = _material(tmp_path, [*POSTS, lonely])
    assert material.folds[-1] == -1
    assert all(lonely["text"] in material.fold_training(fold).texts for fold in range(4))


def test_too_few_companies_fold_by_posts(tmp_path: Path) -> None:
    posts = [row | {"company": "", "text": row["text"].split(maxsplit=1)[1]} for row in POSTS]
    material = _material(tmp_path, posts)
    assert sorted(np.bincount(material.folds).tolist()) == [10, 10, 10, 10]
    for fold in range(4):
        measured = {material.posts.texts[row] for row in material.fold_rows(fold)}
        assert measured.isdisjoint(material.fold_training(fold).texts)


def test_sources_can_be_chosen_and_are_counted(tmp_path: Path) -> None:
    other = dataset_row("@delta another source says so", labels=(0, 1, 0), source="b")
    material = _material(
        tmp_path, [*POSTS, other], post_sources=("toy",), companions={"air": 2}, auxiliary=("mood",)
    )
    assert other["text"] not in material.posts.texts
    assert material.counts == {
        "posts": {"toy": 40},
        "added posts": {},
        "read without labels": {},
        "first stage": {"mood": 1},
        "beside": {"air": 2},
    }


def test_a_training_set_without_auxiliary_posts(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "dataset", posts_train=POSTS)
    material = load_material(_config(auxiliary=(), companions={}), folder)
    assert len(material.all_training()) == len(POSTS)
    assert len(material.auxiliary) == 0


def test_a_corpus_without_rows_is_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "dataset", posts_train=POSTS)
    with pytest.raises(UsageError) as caught:
        load_material(_config(auxiliary=("mood",), companions={"air": 5}), folder)
    assert str(caught.value) == (
        f"{folder} has no rows of air, mood, which the config names; "
        "mend the config, or build the training set with them"
    )


def test_a_training_set_without_posts_is_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "dataset", posts_train=POSTS)
    with pytest.raises(UsageError) as caught:
        load_material(_config(post_sources=("a", "b")), folder)
    assert str(caught.value) == (
        f"{folder} holds no labelled posts of a, b; build it from more corpora"
    )
    bare = write_dataset(tmp_path / "bare", auxiliary=AUXILIARY)
    with pytest.raises(UsageError) as caught:
        load_material(_config(), bare)
    assert str(caught.value) == (
        f"{bare} holds no labelled posts of any source; build it from more corpora"
    )

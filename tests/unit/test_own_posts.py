"""A training set of a team's own labelled posts."""

from pathlib import Path

import pytest

from replyrank.data.behaviour import load_cases
from replyrank.data.errors import UsageError
from replyrank.data.readers import ReadOptions
from replyrank.training.labelled import labelled_options

datasets = pytest.importorskip("datasets", reason="training sets need datasets (extra train)")
pytest.importorskip("torch", reason="the config knows its encoder (extra train)")

from replyrank.training.config import FallbackConfig, load_config
from replyrank.training.material import load_material
from replyrank.training.own_posts import own_dataset

COPY = load_cases()[0].texts[0]
POSTS = f"""\
text,brand,intent,urgency,sentiment
where is the parcel that you promised for monday,Acme,support_request,1,negative
where is the PARCEL that you promised for monday!,Acme,support_request,1,negative
the boiler smells of gas and my baby sleeps beside it,Burns,support_request,critical,negative
lovely people in the shop in Leeds today,Acme,praise,0,positive
nobody ever answers the phone at these places,Burns,opinion,,negative
"{COPY}",Acme,opinion,0,negative
no label at all,Acme,,,
"""


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "posts.csv"
    path.write_text(POSTS, encoding="utf-8")
    return path


def test_whole_labels_are_measured_on_and_partial_ones_only_train(
    posts: Path, tmp_path: Path
) -> None:
    heard: list[str] = []
    folder = own_dataset(posts, tmp_path / "set", report=heard.append)
    splits = datasets.load_from_disk(str(folder))
    assert set(splits) == {"posts_train", "posts_added"}
    train = splits["posts_train"]
    assert [text[:12] for text in train["text"]] == ["where is the", "the boiler s", "lovely peopl"]
    assert train["company"] == ["acme", "burns", "acme"]
    assert (train["intent"], train["urgency"]) == ([0, 0, 1], [1, 3, 0])
    added = splits["posts_added"]
    assert added[0]["urgency"] == -1
    assert set(added["source"]) == {"own", "written"}
    assert heard == [f"{posts}: 3 posts with every label, 1 row left out"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| own | duplicate | 1 |" in card
    assert "| own | near-copy of a measured text | 1 |" in card


def test_the_set_is_that_of_the_file_and_no_other(posts: Path, tmp_path: Path) -> None:
    folder = own_dataset(posts, tmp_path / "set")
    assert own_dataset(posts, folder) == folder
    posts.write_text(POSTS + "thank you,Acme,praise,0,positive\n", encoding="utf-8")
    with pytest.raises(UsageError, match="was built from other labels"):
        own_dataset(posts, folder)


def test_labels_may_stand_in_columns_of_any_name(posts: Path, tmp_path: Path) -> None:
    posts.write_text(POSTS.replace("urgency", "Prio", 1), encoding="utf-8")
    options = labelled_options(ReadOptions(columns={"urgency": "Prio"}), None)
    folder = own_dataset(posts, tmp_path / "set", options)
    assert datasets.load_from_disk(str(folder))["posts_train"]["urgency"] == [1, 3, 0]


def test_a_config_for_own_posts_asks_for_no_corpus(posts: Path, tmp_path: Path) -> None:
    configs = Path(__file__).resolve().parents[2] / "training/configs"
    folder = own_dataset(posts, tmp_path / "set")
    material = load_material(load_config(configs / "own.yaml"), folder)
    assert (len(material.posts), len(material.auxiliary)) == (3, 0)
    assert material.counts["added posts"]["written"] > 1000
    with pytest.raises(UsageError, match="has no rows of tweeteval_train"):
        load_material(load_config(configs / "default.yaml"), folder)
    plain = FallbackConfig(kind="linear", name="toy", folds=2)
    assert set(load_material(plain, folder).folds) == {0, 1}

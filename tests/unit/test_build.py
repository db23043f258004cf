"""The training set: what goes in, what does not, and that it says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from replyrank.data import splits
from replyrank.data.errors import UsageError
from replyrank.data.labels import LabelRow
from replyrank.data.messages import Labels
from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel
from replyrank.data.written import WrittenPost
from replyrank.training import build_rows
from replyrank.training.build import build_dataset, dataset_for
from replyrank.training.build_card import BuildSummary
from replyrank.training.build_rows import BuildConfig, RowSelection
from tests.corpora import write_corpora

Build = Callable[..., BuildSummary]
LABELS = Labels(
    intent=Intent.SUPPORT_REQUEST, urgency=UrgencyLevel.HIGH, sentiment=SentimentLabel.NEGATIVE
)
STREAM = [
    "@EE the line at our house has been dead since Monday",
    "@ThreeUK THE LINE at our house has been dead since Monday!",
    "@EE how do I get the new plan for my mother?",
    "@EE and @google both fail me",
    "@NationalRailEnq is the 7:15 to Leeds running at all today?",
]
ADDED = [
    STREAM[0].replace("EE", "O2"),
    STREAM[2].upper(),
    "@EE or Verizon for a phone in May?",
    "@LondonMidland three minutes late and nobody minds",
]
WRITTEN = [
    STREAM[0].replace("EE", "Larkwing"),
    "my kid has swallowed the cap, what is in it",
    "I found them on Google and the oven smokes",
]


def _label(source: str, text: str, split: str = "train") -> LabelRow:
    return LabelRow(id=text, source=source, key=text_key(text), split=split, labels=LABELS, votes=1)


def _written() -> list[WrittenPost]:
    return [
        WrittenPost(
            id=text,
            topic="home",
            channel=Channel.CHAT,
            brand="Ovenbird",
            text=text,
            labels=LABELS,
            votes=2,
        )
        for text in WRITTEN
    ]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny corpora with labels of ours for seven posts, one of them of the test."""
    root = write_corpora(tmp_path / "root")
    extra = "".join(f"{text}\n" for text in [*STREAM, *ADDED])
    (root / "data/twcs/mixed_brands_inbound.csv").write_text(f"text\n{extra}", encoding="utf-8")
    reviews = root / "data/complaints/uva_airlines_telecom.csv"
    copies = [STREAM[2].replace("EE", "x"), "cold tea on the plane", "cold tea on the plane!"]
    other = "der Zug ist schon wieder ausgefallen und niemand sagt uns warum das so ist"
    copies += ["@AmericanAir cold coffee too", other]
    with reviews.open("a", encoding="utf-8") as lines:
        lines.writelines(f"{text},1,airlines\n" for text in copies)
    labels = [_label("twcs_mixed", STREAM[0], "test")]
    labels += [_label("twcs_mixed", text) for text in STREAM[1:]]
    labels += [_label("facebook", '"""so, """"new"""" prices?"""'), _label("twcs", "gone")]

    def read() -> list[LabelRow]:
        return labels

    def read_added() -> list[LabelRow]:
        return [_label("twcs_mixed", text) for text in ADDED]

    monkeypatch.setattr(build_rows, "read_labels", read)
    monkeypatch.setattr(build_rows, "read_added_labels", read_added)
    monkeypatch.setattr(build_rows, "load_written", _written)
    gate = frozenset({("twcs_mixed", text_key(STREAM[4]))})
    monkeypatch.setattr(splits, "gate_keys", lambda: gate)
    return root


def _select(root: Path, config: BuildConfig) -> RowSelection:
    return RowSelection(root, config)


def test_labelled_posts_go_to_their_sides(root: Path) -> None:
    selection = _select(root, BuildConfig())
    sides = selection.labelled()
    assert [row.text for row in sides["test"]] == [STREAM[0]]
    assert [row.text for row in sides["posts_train"]] == [STREAM[2], 'so, "new" prices?']
    assert [(row.text, row.company) for row in sides["gate"]] == [(STREAM[4], "national_rail")]
    assert [row.text for row in sides["posts_added"]] == [ADDED[3], WRITTEN[1]]
    assert selection.dropped == {
        ("twcs", "text not found"): 1,
        ("twcs_mixed", "added: near-copy of a labelled post"): 2,
        ("twcs_mixed", "added: of a gate company, or names one"): 1,
        ("twcs_mixed", "labelled: near-copy of test"): 1,
        ("twcs_mixed", "labelled: names a gate company"): 1,
        ("written", "added: near-copy of a labelled post"): 1,
        ("written", "added: of a gate company, or names one"): 1,
    }
    written = sides["posts_added"][1]
    assert (written.source, written.company, written.channel) == ("written", "", "chat")
    row = sides["posts_train"][0]
    assert (row.intent, row.urgency, row.sentiment) == (0, 2, 0)
    assert (row.company, row.channel) == ("ee", "twitter")
    assert row.key == text_key(STREAM[2])


def test_auxiliary_posts_are_masked_and_copy_nothing(root: Path) -> None:
    selection = _select(root, BuildConfig(auxiliary=("uva",)))
    selection.labelled()
    rows = selection.auxiliary()
    assert [row.text for row in rows] == ["@SouthwestAir lost my bag", "cold tea on the plane"]
    assert {(row.intent, row.urgency, row.sentiment) for row in rows} == {(-1, -1, 0)}
    assert {key: n for key, n in selection.dropped.items() if key[0] == "uva"} == {
        ("uva", "near-copy of a labelled or measured text"): 1,
        ("uva", "duplicate"): 1,
        ("uva", "of a gate company, or names one"): 1,
        ("uva", "other language"): 1,
        ("uva", "no label of ours"): 1,
    }


def test_texts_that_are_read_without_labels_copy_nothing(root: Path) -> None:
    selection = _select(root, BuildConfig(auxiliary=(), unlabelled=("twcs_mixed", "uva")))
    selection.labelled()
    rows = selection.unlabelled()
    texts = [row.text for row in rows]
    assert "cold tea on the plane" in texts
    assert not {*texts} & {*STREAM}
    assert not any("AmericanAir" in text or "LondonMidland" in text for text in texts)
    assert {(row.intent, row.urgency, row.sentiment) for row in rows} == {(-1, -1, -1)}
    reasons = {reason for (name, reason) in selection.dropped if name == "uva"}
    assert {"duplicate", "other language", "unlabelled: hardly any words"} <= reasons


def test_optional_mappings_count_when_asked_for(root: Path) -> None:
    plain = _select(root, BuildConfig(auxiliary=("trec_is",)))
    assert plain.auxiliary() == []
    asked = _select(root, BuildConfig(auxiliary=("trec_is",), optional=("trec_is",)))
    assert [row.urgency for row in asked.auxiliary()] == [2]


def test_a_build_is_whole_repeatable_and_says_what_it_did(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra train")
    heard: list[str] = []
    config = BuildConfig(auxiliary=("uva", "banking77"))
    first = build_dataset(root, tmp_path / "one", config, report=heard.append)
    second = build_dataset(root, tmp_path / "two", config)
    assert first.hashes == second.hashes
    assert first.rows == {
        "posts_train": 2,
        "posts_added": 2,
        "gate": 1,
        "test": 1,
        "auxiliary": 4,
        "unlabelled": 0,
    }
    loaded = datasets.load_from_disk(str(tmp_path / "one"))
    written = {name: rows for name, rows in first.rows.items() if rows}
    assert {name: len(split) for name, split in loaded.items()} == written
    assert loaded["posts_train"][0]["text"] == STREAM[2]
    assert loaded["auxiliary"]["intent"][0] == 0
    card = (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    assert first.hashes["auxiliary"] in card
    assert "| twcs_mixed | labelled: near-copy of test | 1 |" in card
    assert "| banking77 | 2 | 0 | 0 | 0 | 0 |" in card
    assert len(heard) == 3
    # No bars of the library's, and they are as they were afterwards.
    assert capfd.readouterr() == ("", "")
    assert not datasets.are_progress_bars_disabled()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "root", "two"]


def test_a_split_without_rows_is_counted_but_not_written(root: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra train")
    built = build_dataset(root, tmp_path / "out", BuildConfig(auxiliary=()))
    assert built.rows["auxiliary"] == 0
    assert set(datasets.load_from_disk(str(tmp_path / "out"))) == {
        "posts_train",
        "posts_added",
        "gate",
        "test",
    }


def test_the_set_of_a_run_is_built_once_and_holds_what_the_run_names(
    root: Path, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra train")
    from replyrank.training.config import FallbackConfig  # noqa: PLC0415  needs the extra

    plain = FallbackConfig(kind="linear", name="toy")
    crisis = plain.model_copy(update={"auxiliary": ("trec_is",), "optional": ("trec_is",)})
    folder, heard = tmp_path / "set", list[str]()
    assert dataset_for(crisis, root, folder, report=heard.append) == folder
    assert "trec_is" in set(datasets.load_from_disk(str(folder))["auxiliary"]["source"])
    assert dataset_for(crisis, root, folder, report=heard.append) == folder
    assert len(heard) == 4
    assert heard[0].startswith("the training set comes first")
    with pytest.raises(UsageError, match="was built from other labels"):
        dataset_for(plain, root, folder)
    (folder / "inputs.sha256").unlink()
    with pytest.raises(UsageError, match="unknown ones"):
        dataset_for(crisis, root, folder)


def test_a_changed_text_changes_the_hash(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="needs the extra train")
    config = BuildConfig(auxiliary=("banking77",))
    before = build_dataset(root, tmp_path / "one", config)
    path = root / "data/banking77/train.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("card?", "pin?"), encoding="utf-8")
    after = build_dataset(root, tmp_path / "two", config)
    assert before.hashes["auxiliary"] != after.hashes["auxiliary"]
    assert before.hashes["posts_train"] == after.hashes["posts_train"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BuildConfig(auxiliary=("blogs",)), "no corpus is called blogs"),
        (BuildConfig(optional=("blogs",)), "no corpus is called blogs"),
        (BuildConfig(auxiliary=("tweeteval_test",)), "tweeteval_test only measures"),
    ],
)
def test_a_wrong_config_is_refused(
    config: BuildConfig, message: str, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        build_dataset(root, tmp_path / "out", config)
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("keep", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        build_dataset(root, tmp_path / "mine")

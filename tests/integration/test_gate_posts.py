"""What judges a challenger: the posts of a file or a training set, and rules of a user's own."""

from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="the gate needs scikit-learn (extra train)")

from replyrank.data.errors import UsageError
from replyrank.pipeline.errors import SettingsError
from replyrank.training.gate_posts import gate_posts_of_dataset, load_gate_posts
from replyrank.training.gate_rules import load_gate_rules
from tests.encoders import toy_posts, write_dataset


def test_a_file_of_partly_labelled_posts_says_what_each_label_is_judged_on(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(
        "text,intent,urgency,sentiment\nwhere is my bag,support_request,,\nlovely crew,praise,0,\n"
    )
    posts = load_gate_posts(file, None, None)
    assert len(posts) == 2
    assert posts.notices == (
        "own.csv: 2 posts, by label: intent 2, urgency 1, sentiment 0; each figure is taken on the "
        "posts that have its label",
    )
    file.write_text("text,intent,urgency,sentiment\nwhere is my bag,support_request,2,negative\n")
    assert load_gate_posts(file, None, None).notices == ()


def test_rules_of_a_users_own(tmp_path: Path) -> None:
    own = tmp_path / "rules.yaml"
    own.write_text("tolerances:\n  intent_macro_f1: 0.5\n")
    assert load_gate_rules(own).tolerances.intent_macro_f1 == 0.5
    assert load_gate_rules(own).tolerances.urgency_kappa == 0.01
    own.write_text("tolerances:\n  queue_cost: null\n")
    assert load_gate_rules(own).tolerances.queue_cost is None
    own.write_text("tolerances:\n  intent_f1: 0.5\n")
    with pytest.raises(SettingsError, match=r"intent_f1 .* did you mean intent_macro_f1"):
        load_gate_rules(own)
    own.write_text("tolerances:\n  intent_macro_f1: -1\n")
    with pytest.raises(SettingsError, match="intent_macro_f1 is -1"):
        load_gate_rules(own)


def test_the_gate_set_of_a_training_set(tmp_path: Path) -> None:
    rows = [{**row, "key": "k", "source": "airline"} for row in toy_posts(2)]
    dataset = write_dataset(tmp_path / "dataset", posts_train=rows, gate=rows)
    posts = gate_posts_of_dataset(dataset)
    assert posts.rows.texts == tuple(row["text"] for row in rows)
    assert set(posts.slices) == {"source", "channel", "length"}
    bare = write_dataset(tmp_path / "bare", posts_train=rows)
    with pytest.raises(UsageError, match="has no gate set"):
        gate_posts_of_dataset(bare)
    with pytest.raises(UsageError, match="is no training set"):
        gate_posts_of_dataset(tmp_path)

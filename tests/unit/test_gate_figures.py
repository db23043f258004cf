"""The gate's figures of labels: those of the metrics, on the posts that have the label."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="toys are of training (extra train)")
pytest.importorskip("sklearn", reason="the gate needs scikit-learn (extra train)")

from replyrank.training import metrics
from replyrank.training.gate_figures import FIGURES_OF, Pairing, Subject
from replyrank.training.gate_posts import GatePosts
from replyrank.training.rows import TrainingRows
from tests.encoders import toy_rows

SLICES = ("slice_ece_urgency_high", "slice_ece_sentiment")


def test_few_companies_are_not_what_is_drawn() -> None:
    rows = toy_rows(10, seed=3)
    draw = np.random.default_rng(0)
    p = [draw.dirichlet(np.ones(16), len(rows)) for _ in range(2)]
    even = np.full((len(rows), 3), 1 / 3)
    one, other = (Subject(need, even, rows.sentiment * 0, 0.4) for need in p)
    posts = GatePosts("x", rows, ("one brand",) * len(rows), {})
    found = Pairing(posts, one, other, 0, 100).compare(1)["intent_macro_f1"]
    assert found.low < found.difference < found.high


def test_figures_are_those_of_the_metrics_and_a_model_equals_itself() -> None:
    rows = toy_rows(10, seed=3)
    draw = np.random.default_rng(0)
    need, sentiment = draw.dirichlet(np.ones(16), len(rows)), draw.dirichlet(np.ones(3), len(rows))
    subject = Subject(need, sentiment, sentiment.argmax(axis=1), 0.4)
    posts = GatePosts("x", rows, (None,) * len(rows), {})
    found = Pairing(posts, subject, subject, 0, 50).compare(1)
    p = need.reshape(-1, 4, 4).sum(axis=2)
    expected = metrics.macro_f1(metrics.confusion(rows.intent, p.argmax(axis=1), 4))
    assert found["intent_macro_f1"].champion == pytest.approx(float(expected))
    for one in found.values():
        assert (one.difference, one.low, one.high) == (0, 0, 0)


def test_a_slice_has_the_calibration_error_of_each_head_on_the_posts_with_its_label() -> None:
    rows = toy_rows(20, seed=3)
    n = len(rows)
    half = TrainingRows(
        rows.texts, np.where(np.arange(n) < 10, rows.intent, -1), rows.urgency, rows.sentiment
    )
    draw = np.random.default_rng(0)
    need, mood = draw.dirichlet(np.ones(16), n), draw.dirichlet(np.ones(3), n)
    subject = Subject(need, mood, mood.argmax(axis=1), 0.4)
    channel = tuple("email" if row < n // 2 else "chat" for row in range(n))
    posts = GatePosts("x", half, (None,) * n, {"channel": channel})
    found = Pairing(posts, subject, subject, 0, 5).compare(30)
    # Of intent no slice has enough.
    assert {name for name in found if name.startswith("slice")} == {
        f"{name}: channel {value}" for name in SLICES for value in ("chat", "email")
    }
    email = slice(0, n // 2)
    p_high = need.reshape(-1, 4, 4).sum(axis=1)[email, 2:].sum(axis=1)
    expected = metrics.calibration_error(rows.urgency[email] >= 2, p_high)
    assert found["slice_ece_urgency_high: channel email"].champion == pytest.approx(float(expected))
    moods = metrics.classwise_calibration_error(rows.sentiment[email], mood[email])
    assert found["slice_ece_sentiment: channel email"].challenger == pytest.approx(float(moods))
    assert found["slice_ece_sentiment: channel email"].n == n // 2


def test_posts_without_a_label_are_left_out_of_its_figures() -> None:
    rows = toy_rows(10, seed=3)
    half = TrainingRows(
        rows.texts, np.where(np.arange(len(rows)) % 2, rows.intent, -1), rows.urgency * 0 - 1,
        rows.sentiment,
    )  # fmt: skip
    even = np.full((len(rows), 16), 1 / 16)
    subject = Subject(even, np.full((len(rows), 3), 1 / 3), rows.sentiment * 0, 0.4)
    posts = GatePosts("x", half, (None,) * len(rows), {})
    found = Pairing(posts, subject, subject, 0, 10).compare(1)
    assert found["intent_macro_f1"].n == len(rows) // 2
    assert "urgency_kappa" not in found
    assert found["ece_sentiment"].n == len(rows)


def test_every_figure_of_labels_is_known_by_its_label() -> None:
    rows = toy_rows(10, seed=3)
    even = Subject(
        np.full((len(rows), 16), 1 / 16), np.full((len(rows), 3), 1 / 3), rows.sentiment * 0, 0.4
    )
    for label, figures in FIGURES_OF.items():
        columns = (
            getattr(rows, name) if name == label else rows.intent * 0 - 1
            for name in ("intent", "urgency", "sentiment")
        )
        alone = TrainingRows(rows.texts, *columns)
        posts = GatePosts("x", alone, (None,) * len(rows), {"channel": ("chat",) * len(rows)})
        found = Pairing(posts, even, even, 0, 5).compare(1)
        assert {name.partition(": ")[0] for name in found} == {*figures}

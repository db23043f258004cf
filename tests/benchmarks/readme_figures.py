"""The figures of the README, out of the committed reports.

``python -m tests.benchmarks.readme_figures`` prints the section's tables; a test holds the
README against them.
"""

import json
import statistics
from typing import Any, Final

from replyrank.models.find import DEFAULT, FAST
from replyrank.pipeline.markdown import table
from tests.benchmarks.reporting import REPORTS, spread
from tests.benchmarks.speed_report import PIPELINE, times

#: label, part of the report, key, figure
_QUALITY: Final = (
    ("intent, macro-F1", "heads", "intent", "macro_f1"),
    ("urgency level, quadratic kappa", "heads", "urgency", "quadratic_kappa"),
    ("urgency ≥ high, AUROC", "binary", "urgency_high", "auroc"),
    ("sentiment, macro-recall", "heads", "sentiment", "macro_recall"),
    ("critical posts (14), average precision", "binary", "critical", "average_precision"),
    ("class-wise calibration error of intent", "heads", "intent", "ece"),
    ("calibration error of urgency ≥ high", "binary", "urgency_high", "ece"),
)


#: figure of the report, its name in the README
_UNSEEN: Final = (
    ("intent macro-F1", "intent, macro-F1"),
    ("urgency quadratic kappa", "urgency level, quadratic kappa"),
    ("AUROC, urgency >= high", "urgency ≥ high, AUROC"),
    ("sentiment macro-recall", "sentiment, macro-recall"),
    ("average precision, critical", "critical posts, average precision"),
    ("critical posts in the top 20 % by index", "critical posts in the top 20 % of the queue"),
)
#: recipe in the report, title
_SHOWN: Final = (
    ("default", "`default`"),
    ("fast", "`fast`"),
    ("plain", "plain fine-tune"),
    ("TF-IDF + LR (calibrated)", "TF-IDF + LR (calibrated)"),
)
#: name in the report of the test posts, where its probabilities are as they were fitted; title
_APART: Final = {"TF-IDF + LR": "TF-IDF + LR (uncalibrated)"}
#: models whose speed is told
_MODELS: Final = (DEFAULT, FAST)
#: the trace and the scenario that the README shows
_TRACE: Final = "uk_mobile"
_SCENARIO: Final = "load 0.9"
#: key in the report, title, decimals, factor, unit
_REPLAYED: Final = (
    ("urgent_late", "urgent, too late", 1, 100, "%"),
    ("critical_late", "critical, too late", 1, 100, "%"),
    ("requests_late", "all requests, too late", 1, 100, "%"),
    ("cost", "cost of waiting", 1, 1, "x"),
)


def _report(name: str) -> Any:
    return json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8"))


def quality_table() -> str:
    """The shipped model beside the fallback and TF-IDF on the test posts."""
    report = _report("test-posts")
    models = [report["model"], *report["baselines"][:2]]
    rows = [
        (label, *(f"{model[part][key]['figures'][figure]['value']:.3f}" for model in models))
        for label, part, key, figure in _QUALITY
    ]
    given = [str(model["name"]) for model in models]
    names = [_APART.get(name, name) for name in given]
    return table((f"{report['data']['rows']} test posts", *names), rows)


def unseen_table() -> str:
    """The shipped recipe beside a plain fine-tune and TF-IDF, on companies never seen."""
    results = _report("recipes")["results"]
    rows = []
    for key, label in _UNSEEN:
        means = (statistics.mean(run[0][key] for run in results[name]) for name, _ in _SHOWN)
        rows.append((label, *(f"{mean:.3f}" for mean in means)))
    return table(("posts of companies never seen", *(title for _, title in _SHOWN)), rows)


def unseen_line() -> str:
    """What the table of ``unseen_table`` is of."""
    report = _report("recipes")
    seeds = {title: len(report["results"][name]) for name, title in _SHOWN}
    return (
        f"Labelled posts: {report['posts']:,} of {report['companies']} companies; mean over seeds: "
        + ", ".join(f"{title} {count}" for title, count in seeds.items())
        + "."
    )


def speed_table() -> str:
    """Times faster than the default pipeline: median and range over rounds."""
    report = _report("speed")
    bulk, single = report["bulk"], report["single"]
    rows = [
        (
            "file to file, 2 threads",
            *(spread(times(bulk[name]["rate"], bulk[PIPELINE]["rate"])) for name in _MODELS),
        ),
        (
            "one message, 1 thread, p50",
            *(spread(times(single[PIPELINE]["p50"], single[name]["p50"])) for name in _MODELS),
        ),
    ]
    head = "times faster than the default Hugging Face pipeline"
    return table((head, *(f"`{name}`" for name in _MODELS)), rows)


def replay_table() -> str:
    """Each way of ordering the queue, on real arrivals in the trace's own mix."""
    cases = _report(f"replay-{_TRACE}")["mixes"][0]["cases"]
    (case,) = (case for case in cases if case["scenario"] == _SCENARIO)
    rows = []
    for order in case["orders"]:
        values = (
            f"{factor * order[key]['value']:.{digits}f}{unit}"
            for key, _, digits, factor, unit in _REPLAYED
        )
        rows.append((order["order"], *values))
    return table(("order", *(title for _, title, *_ in _REPLAYED)), rows)


def tweeteval_line() -> str:
    """The shipped model on TweetEval's sentiment test."""
    recall = _report("tweeteval")["macro_recall"]["default"]
    return f"TweetEval's sentiment test: {100 * recall:.1f} macro-averaged recall."


if __name__ == "__main__":
    print(
        replay_table(),
        quality_table(),
        unseen_table(),
        tweeteval_line(),
        unseen_line(),
        speed_table(),
        sep="\n\n",
    )

"""``replyrank evaluate``: any artefact on any labelled file, beside baselines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from replyrank.data.behaviour import load_cases
from replyrank.data.errors import UsageError
from replyrank.data.wording import counted
from replyrank.models import Scorer, load_scorer
from replyrank.models.errors import ModelNotFoundError
from replyrank.models.find import FALLBACK
from replyrank.pipeline.index import queue_index
from replyrank.pipeline.policy import Policy
from replyrank.pipeline.policy_file import load_policy
from replyrank.training.baselines import majority, tfidf_logistic, vader
from replyrank.training.behaviour import behaviour_report, case_texts
from replyrank.training.bootstrap import RESAMPLES
from replyrank.training.evaluate import evaluate, length_slice
from replyrank.training.evaluation_report import DataReport, EvaluationReport, LeftOut, Report
from replyrank.training.labelled import LabelledOptions, LabelledPosts, read_labelled
from replyrank.training.predictions import Predictions, predict
from replyrank.training.report import REPORT, write_report
from replyrank.training.rows import MASKED


def _silent(_: str) -> None:
    return


@dataclass(frozen=True)
class EvaluateOptions:
    """How an evaluation is made."""

    seed: int = 0
    resamples: int = RESAMPLES
    #: what intervals resample; ``companies`` where posts of one company resemble each other
    resampled: Literal["posts", "companies"] = "posts"
    #: called with a line for every step
    announce: Callable[[str], None] = field(default=_silent)


def evaluate_file(
    model: str | Path | None,
    path: str | Path,
    out: str | Path,
    *,
    baseline_train: str | Path | None = None,
    reading: LabelledOptions | None = None,
    baseline_reading: LabelledOptions | None = None,
    policy: str | Path | None = None,
    options: EvaluateOptions | None = None,
    threads: int = 1,
    force: bool = False,
) -> Report:
    """Evaluate an artefact on a labelled file and write the report.

    Args:
        model: folder or name of the artefact; None for the default.
        path: the labelled file, see ``read_labelled``.
        out: folder for ``report.json``, ``report.md`` and ``plots/``.
        baseline_train: labelled file that the baselines which learn are fitted on; posts
            that stand in ``path`` too are left out of it. Without it there are only those
            baselines that need no training.
        reading: how ``path`` is read.
        baseline_reading: how ``baseline_train`` is read.
        policy: file with the policy whose index the queue figures use; None for the default.
        options: seed, resamples and what they draw.
        threads: of the models.
        force: replace a report that stands in ``out``.

    Raises:
        UsageError: if ``out`` is a file or holds a report, if a file, the model or the policy
            cannot be used, or ``baseline_train`` has nothing but posts of ``path``.
    """
    options = options or EvaluateOptions()
    _check_target(Path(out), force=force)
    posts = read_labelled(path, reading)
    _tell_left_out(Path(path).name, posts, options)
    train = None
    if baseline_train is not None:
        train = _training_posts(baseline_train, baseline_reading, posts)
        _tell_left_out(Path(baseline_train).name, train, options)
    scorer = load_scorer(model, threads=threads)
    report = evaluate_posts(
        scorer,
        posts,
        file=Path(path).name,
        train=train,
        train_file=None if baseline_train is None else Path(baseline_train).name,
        fallback=_fallback(scorer, threads, options),
        policy=load_policy(policy),
        options=options,
    )
    options.announce("writing the report")
    write_report(report, Path(out))
    return report


def _tell_left_out(file: str, posts: LabelledPosts, options: EvaluateOptions) -> None:
    if posts.left_out:
        first = posts.left_out[0]
        options.announce(
            f"{file}: {counted(len(posts.left_out), 'row')} left out, the report has the reasons; "
            f"line {first.line}: {first.reason}"
        )


def _check_target(folder: Path, *, force: bool) -> None:
    """Refuse a target before the work, not after it."""
    if folder.exists() and not folder.is_dir():
        message = f"{str(folder)!r} is a file; name a folder for the report"
        raise UsageError(message)
    if (folder / REPORT).exists() and not force:
        message = f"{str(folder)!r} holds a report already; name another folder, or give --force"
        raise UsageError(message)


def evaluate_posts(
    scorer: Scorer,
    posts: LabelledPosts,
    *,
    file: str,
    train: LabelledPosts | None,
    train_file: str | None,
    fallback: Scorer | None,
    policy: Policy,
    options: EvaluateOptions,
) -> Report:
    """The report of a model on posts; ``evaluate_file`` without the files.

    Args:
        scorer: the model.
        posts: what it is measured on.
        file: where they come from, for the report.
        train: what the baselines are fitted on, None to leave those out that learn.
        train_file: where these come from.
        fallback: the linear model as a baseline, None to leave it out.
        policy: of the index.
        options: seed, resamples and what they draw.
    """

    def measure(name: str, everything: Predictions, *, own: bool = False) -> EvaluationReport:
        options.announce(f"figures and intervals: {name}")
        predictions = everything.part(slice(0, len(posts)))
        report = evaluate(
            predictions,
            posts.rows,
            _slices(posts) if own else {},
            options.seed,
            name=name,
            index=None if predictions.need is None else queue_index(predictions.need, policy),
            support_threshold=scorer.config.thresholds.support_request if own else None,
            groups=posts.companies if options.resampled == "companies" else None,
            resamples=options.resamples,
        )
        if predictions.need is None or predictions.p_sentiment is None:
            return report
        cases = everything.part(slice(len(posts), None))
        behaviour = behaviour_report(cases, seed=options.seed, resamples=options.resamples)
        return report.model_copy(update={"behaviour": behaviour})

    texts = (*posts.rows.texts, *case_texts(load_cases()))
    options.announce(f"scoring {len(texts):,} texts: {scorer.config.name}")
    model = measure(scorer.config.name, predict(scorer, texts), own=True)
    return Report(
        data=_data_report(file, posts),
        baseline_data=None if train is None else _data_report(train_file or "", train),
        model=model,
        baselines=tuple(
            measure(name, predictions)
            for name, predictions in _baselines(posts, texts, train, fallback, options).items()
        ),
    )


def _training_posts(
    path: str | Path, reading: LabelledOptions | None, posts: LabelledPosts
) -> LabelledPosts:
    train = read_labelled(path, reading).without(posts)
    if not len(train):
        message = f"every post of {path} is one of the posts to evaluate, or nearly one; "
        message += "give others to fit the baselines on"
        raise UsageError(message)
    return train


def _fallback(scorer: Scorer, threads: int, options: EvaluateOptions) -> Scorer | None:
    """The shipped linear model, unless it is itself what is evaluated or is not installed."""
    try:
        fallback = load_scorer(FALLBACK, threads=threads)
    except ModelNotFoundError as error:
        options.announce(f"without the fallback as a baseline: {error}")
        return None
    return None if fallback.config.name == scorer.config.name else fallback


def _baselines(
    posts: LabelledPosts,
    texts: Sequence[str],
    train: LabelledPosts | None,
    fallback: Scorer | None,
    options: EvaluateOptions,
) -> dict[str, Predictions]:
    found: dict[str, Predictions] = {}
    if fallback is not None:
        options.announce(f"scoring {len(texts):,} texts: {fallback.config.name}")
        found[fallback.config.name] = predict(fallback, texts)
    if train is not None:
        options.announce(f"fitting TF-IDF + logistic regression on {len(train):,} posts")
        found["TF-IDF + LR"] = tfidf_logistic(train.rows, texts, seed=options.seed)
        found["majority"] = majority(train.rows, len(texts))
    if (posts.rows.sentiment != MASKED).any():
        found["VADER"] = vader(texts)
    return found


def _slices(posts: LabelledPosts) -> dict[str, tuple[str | None, ...]]:
    """By source and channel where the file has them, and by length."""
    columns = {"source": posts.source, "channel": posts.channel}
    known: dict[str, tuple[str | None, ...]] = {k: v for k, v in columns.items() if any(v)}
    return {**known, "length": tuple(length_slice(text) for text in posts.rows.texts)}


def _data_report(file: str, posts: LabelledPosts) -> DataReport:
    return DataReport(
        file=file,
        sha256=posts.sha256,
        rows=len(posts),
        left_out=tuple(LeftOut(line=row.line, reason=row.reason) for row in posts.left_out),
    )

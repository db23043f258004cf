"""An artefact as MLflow loads it: a loader module, so that nothing of it is a pickle.

``mlflow.pyfunc.load_model`` calls ``_load_pyfunc`` with the folder that was logged. It needs the
base package and pandas, which MLflow brings; neither torch nor the extra ``train``.
"""

from typing import Any, Final

from replyrank.data.errors import UsageError
from replyrank.models import Scorer, load_scorer
from replyrank.pipeline.score_columns import score_columns

#: the column that a data frame must have
TEXT: Final = "text"


class FrameModel:
    """Scores data frames; MLflow asks for nothing but ``predict``."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> Any:
        """The scores of a ``pandas.DataFrame``.

        Args:
            frame: n rows with a column ``text``; others are passed over.
            params: none are known.

        Returns:
            A ``pandas.DataFrame`` of ``SCORE_COLUMNS`` with the same index. A row that cannot
            be scored has the model's priors and a reason in ``review``.

        Raises:
            UsageError: if there is no column ``text``, or a parameter is given.
        """
        import pandas as pd  # noqa: PLC0415  (MLflow brings it; the base package does without)

        if params:
            message = f"the model takes no parameters, and was given {', '.join(sorted(params))}"
            raise UsageError(message + "; leave them out")
        if TEXT not in frame:
            listed = ", ".join(map(repr, frame)) or "none"
            message = f"the data frame has no column {TEXT!r}; its columns are {listed}; rename one"
            raise UsageError(message)
        # What pandas writes for a missing text is none.
        texts = [None if pd.isna(text) is True else text for text in frame[TEXT].tolist()]
        return pd.DataFrame(score_columns(self._scorer.score_batch(texts)), index=frame.index)


def _load_pyfunc(path: str) -> FrameModel:  # pyright: ignore[reportUnusedFunction]
    """What MLflow calls; the artefact is verified as everywhere else."""
    return FrameModel(load_scorer(path))

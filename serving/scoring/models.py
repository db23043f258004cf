"""The models that a service answers with: the one in use, and what stands in for it.

The ladder: the model in use; the linear fallback, where that cannot be loaded; the class priors of
the policy, where even that cannot. Every answer names the model that gave it.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from replyrank.data.errors import ReplyrankError
from replyrank.models.artefact import SELFTEST, Artefact
from replyrank.models.find import FALLBACK, find_artefact, open_artefact
from replyrank.models.memory import available_memory
from replyrank.models.scorer import Scorer
from replyrank.models.selftest import run_selftest, selftest_texts
from replyrank.serving.errors import MemoryShortError

_WARM_UP: Final = 8
#: bytes of memory for each byte of an artefact: more than the shipped ones take. The linear one,
#: which lies compressed, takes most
_TAKES: Final = 4
#: bytes that must be left for the requests meanwhile
_SPARE: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready to answer."""

    scorer: Scorer
    #: SHA-256 of its manifest
    manifest: str

    @property
    def name(self) -> str:
        """Its name and version."""
        return self.scorer.config.name


class Models:
    """The model in use and the fallback; a swap replaces one reference.

    Whoever began with a model ends with it: the reference is taken once for each batch.

    Args:
        model: folder or name; None follows the champion pointer, then the shipped model.
        threads: of a batch.
    """

    def __init__(self, model: str | Path | None, threads: int) -> None:
        self._asked = model
        self._threads = threads
        self._lock = threading.Lock()
        self.current: Loaded | None = None
        self.fallback: Loaded | None = None
        #: why the last attempt to load failed; None after one that did not
        self.problem: str | None = None

    def load(self) -> None:
        """Load both; what cannot be loaded is told by ``problem``, and the rest answers."""
        try:
            self.fallback = _ready(find_artefact(FALLBACK), 1)
        except ReplyrankError as error:
            self.problem = _told(error)
        self.refresh()

    def refresh(self) -> bool:
        """Load the model that is to be used now, if it is another; whether it was swapped.

        Memory is looked at, files are verified, the self-test is run and some texts are scored
        before the swap. What fails leaves the model in use as it is.
        """
        with self._lock:
            try:
                artefact = find_artefact(self._asked)
                if self.current is not None and artefact.manifest_sha256 == self.current.manifest:
                    self.problem = None
                    return False
                if self.current is not None:
                    _check_memory(artefact)
                fresh = _ready(artefact, self._threads)
            except (ReplyrankError, OSError) as error:
                self.problem = _told(error)
                return False
            self.current, self.problem = fresh, None
            return True

    def best(self) -> Loaded | None:
        """The model in use, else the fallback, else None."""
        return self.current or self.fallback


def _told(error: Exception) -> str:
    """What went wrong, in one line: it stands in an answer, a log and a page."""
    return " ".join(str(error).split())


def _check_memory(artefact: Artefact) -> None:
    """Both models are there at once until the last request of the old one ends."""
    there, needed = available_memory(), _TAKES * artefact.size + _SPARE
    if there is not None and there < needed:
        message = (
            f"{artefact.folder}: needs {needed >> 20} MiB beside the model in use, and "
            f"{there >> 20} MiB are free; give the service more memory, or start it anew"
        )
        raise MemoryShortError(message)


def _ready(artefact: Artefact, threads: int) -> Loaded:
    scorer = open_artefact(artefact, threads)
    run_selftest(scorer, artefact.path(SELFTEST))
    scorer.score_batch(selftest_texts(artefact.path(SELFTEST))[:_WARM_UP])
    return Loaded(scorer, artefact.manifest_sha256)

"""The licence of the weights, as strict as that of the strictest source they learnt from."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import StringIO
from typing import Final

from replyrank.pipeline.markdown import table

#: file of an artefact that states it
LICENCE: Final = "LICENSE-WEIGHTS.md"

_STRICT: Final = (
    "some of which allow non-commercial use only or state no licence, so the weights are offered "
    "under **CC BY-NC-SA 4.0** (Creative Commons Attribution-NonCommercial-ShareAlike 4.0 "
    "International).\n\nFor commercial use train on your own labelled posts, or with "
    "`training/configs/commercial.yaml`, which takes only posts of sources whose licences allow it."
)
_OPEN: Final = (
    "all of which allow commercial use, so the weights are offered under **CC BY 4.0** (Creative "
    "Commons Attribution 4.0 International)."
)


@dataclass(frozen=True, slots=True)
class Licence:
    """What the publisher of a corpus allows."""

    source: str
    corpus: str
    #: as stated
    terms: str
    commercial: bool


@cache
def licences() -> tuple[Licence, ...]:
    """Of every corpus, by source."""
    path = resources.files("replyrank.data.corpora").joinpath("licences.csv")
    with StringIO(path.read_text(encoding="utf-8")) as lines:
        return tuple(
            Licence(row["source"], row["corpus"], row["licence"], row["commercial"] == "yes")
            for row in csv.DictReader(lines)
        )


def commercial_use(sources: Iterable[str]) -> bool:
    """Whether every source allows it; one without a row in the table does not."""
    allowed = {licence.source for licence in licences() if licence.commercial}
    return set(sources) <= allowed


def weights_licence(sources: Iterable[str]) -> str:
    """Markdown of ``LICENSE-WEIGHTS.md`` for weights that learnt from ``sources``."""
    used = set(sources)
    rows = [(row.source, row.corpus, row.terms) for row in licences() if row.source in used]
    rows += [(source, "", "not known") for source in sorted(used - {row[0] for row in rows})]
    return "\n\n".join(
        [
            "# Licence of the weights",
            "The code of replyrank is under Apache-2.0. These weights are not code. They were "
            f"trained on posts of the sources below, {_OPEN if commercial_use(used) else _STRICT}",
            "No text of any corpus is part of the weights' folder. The card beside this file "
            "counts the rows of each source. Licences as their publishers state them:",
            table(("source in the card", "corpus", "licence as stated"), rows),
            "The encoder, all-MiniLM-L6-v2, is under Apache-2.0.\n",
        ]
    )

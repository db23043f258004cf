"""The corpora by name."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from replyrank.data.corpora import care, dialogues, general, opinions
from replyrank.data.corpora.base import CorpusPost, Loader, corpora_root
from replyrank.data.errors import UsageError

CORPORA: Final[Mapping[str, Loader]] = MappingProxyType(
    {
        "airline": care.airline,
        "app_reviews": opinions.app_reviews,
        "apple": opinions.apple,
        "asapp": care.asapp,
        "banking77": general.banking77,
        "brands_products": opinions.brands_products,
        "complaints": opinions.complaints,
        "complaints_xci": opinions.complaints_xci,
        "facebook": care.facebook,
        "goemotions": general.goemotions,
        "ibm_care": dialogues.ibm_care,
        "politeness": general.politeness,
        "sanders": opinions.sanders,
        "semeval_valence": general.semeval_valence,
        "trec_is": general.trec_is,
        "tweet_acts": general.tweet_acts,
        "tweeteval_emotion": general.tweeteval_emotion,
        "tweeteval_hate": general.tweeteval_hate,
        "tweeteval_irony": general.tweeteval_irony,
        "tweeteval_offensive": general.tweeteval_offensive,
        "tweeteval_test": general.tweeteval_test,
        "tweeteval_train": general.tweeteval_train,
        "tweeteval_val": general.tweeteval_val,
        "tweetsumm": dialogues.tweetsumm,
        "twcs": care.twcs,
        "twcs_mixed": care.twcs_mixed,
        "uk_mobile": care.uk_mobile,
        "uk_mobile_labelled": care.uk_mobile_labelled,
        "uva": opinions.uva,
    }
)

#: What is measured on, so that nothing may train on it.
MEASURED_ONLY: Final = frozenset({"tweeteval_test"})


def read_corpus(name: str, root: str | Path | None = None) -> Iterator[CorpusPost]:
    """Read a corpus by its name.

    Raises:
        UsageError: if no corpus has that name, or its files are not there.
    """
    loader = CORPORA.get(name)
    if loader is None:
        message = f"{name!r} is no corpus; use one of {', '.join(sorted(CORPORA))}"
        raise UsageError(message)
    return loader(corpora_root(root))

"""The licence of weights follows from the sources they learnt from."""

from pathlib import Path

import pytest

from replyrank.data.corpora import CORPORA
from replyrank.data.written import WRITTEN

pytest.importorskip("torch", reason="configs know their encoder (extra train)")

from replyrank.training.config import load_config
from replyrank.training.licence import commercial_use, licences, weights_licence

CONFIGS = Path(__file__).resolve().parents[2] / "training/configs"


def test_every_corpus_has_a_row_and_no_other() -> None:
    sources = [licence.source for licence in licences()]
    assert sources == sorted({*CORPORA, WRITTEN})


def test_one_strict_source_makes_the_weights_strict() -> None:
    assert "CC BY 4.0" in weights_licence(["banking77", "written"])
    strict = weights_licence(["banking77", "twcs"])
    assert "CC BY-NC-SA 4.0" in strict
    assert "| twcs | Customer Support on Twitter | CC BY-NC-SA |" in strict
    assert "goemotions" not in strict


def test_a_source_that_the_table_does_not_know_is_strict() -> None:
    assert not commercial_use(["ours"])
    assert "| ours |  | not known |" in weights_licence(["written", "ours"])


def test_the_commercial_config_names_commercial_sources_alone() -> None:
    config = load_config(CONFIGS / "commercial.yaml")
    assert commercial_use([*config.post_sources, *config.auxiliary, *config.companions])
    assert config.post_sources
    assert not commercial_use(["twcs", *config.post_sources])

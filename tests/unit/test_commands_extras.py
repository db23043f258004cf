"""A package that an extra brings is missing: words instead of a traceback."""

import pytest

from replyrank.serving.commands.extras import needs_extra
from replyrank.serving.errors import MissingExtraError


def test_a_missing_package_of_others_names_the_extra() -> None:
    with pytest.raises(MissingExtraError) as raised, needs_extra("train", "evaluate"):
        raise ModuleNotFoundError(name="torch.nn")
    assert str(raised.value) == (
        "`replyrank evaluate` needs the `train` extra (no package 'torch' here); "
        "install with pip install 'replyrank[train]'"
    )


def test_a_missing_module_of_ours_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError) as raised, needs_extra("train", "evaluate"):
        raise ModuleNotFoundError(name="replyrank.training.gone")
    assert not isinstance(raised.value, MissingExtraError)


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), needs_extra("train", "evaluate"):
        raise KeyError


def test_a_named_package_is_looked_for_before_the_work() -> None:
    done: list[str] = []
    with pytest.raises(MissingExtraError) as raised, needs_extra("train", "x", "json", "no_such"):
        done.append("work")
    assert "no package 'no_such' here" in str(raised.value)
    assert done == []


def test_with_every_package_there_the_work_is_done() -> None:
    done: list[str] = []
    with needs_extra("train", "x", "json"):
        done.append("work")
    assert done == ["work"]

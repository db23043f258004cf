"""What the service logs of an error: where and of what type, and none of its words."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from replyrank.serving import logs

WORDS = "my card 4929 was stolen"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    kept = {
        name: (logger.handlers, logger.propagate, logger.disabled, logger.level)
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "sqlalchemy.engine", "alembic")
        for logger in [logging.getLogger(name)]
    }
    yield
    root.handlers, root.level = handlers, level
    for name, (own, propagate, disabled, own_level) in kept.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.disabled = own, propagate, disabled
        logger.setLevel(own_level)
    structlog.reset_defaults()


def fail(words: str) -> None:
    try:
        raise KeyError(words)
    except KeyError as error:
        raise ValueError(words) from error


def failed() -> ValueError:
    with pytest.raises(ValueError, match=WORDS) as caught:
        fail(WORDS)
    return caught.value


def test_an_error_is_told_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    structlog.get_logger().error("unexpected", exc_info=failed(), text=WORDS)
    line = capsys.readouterr().err
    assert WORDS not in line
    told = json.loads(line)
    assert [one["type"] for one in told["exception"]] == [
        "builtins.ValueError",
        "builtins.KeyError",
    ]
    assert all(one["frames"][-1].endswith("in fail") for one in told["exception"])


def test_so_is_one_that_a_library_logs(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    try:
        fail(WORDS)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    line = capsys.readouterr().err
    assert WORDS not in line
    assert json.loads(line)["exception"][0]["type"] == "builtins.ValueError"


def test_an_error_that_is_its_own_cause_ends() -> None:
    error = ValueError(WORDS)
    error.__cause__ = error
    told = logs.without_words(None, "error", {"event": "odd", "exc_info": error})
    assert told == {"event": "odd", "exception": [{"type": "builtins.ValueError", "frames": []}]}


@pytest.mark.parametrize("given", [None, False, (None, None, None)])
def test_a_line_without_an_error_stays_as_it_is(given: object) -> None:
    assert logs.without_words(None, "info", {"event": "ready", "exc_info": given}) == {
        "event": "ready"
    }

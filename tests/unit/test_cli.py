"""The dispatcher: help, usage, and one place that turns errors into words and a code."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from replyrank.data.errors import ReplyrankError, UsageError
from replyrank.models import cpus
from replyrank.serving import cli
from replyrank.serving.errors import MissingExtraError

COMMANDS = [
    ("score",),
    ("rank",),
    ("simulate",),
    ("evaluate",),
    ("train",),
    ("promote",),
    ("rollback",),
    ("pull",),
    ("serve",),
    ("replay",),
    ("data",),
    ("data", "build"),
    ("data", "import"),
    ("data", "tasks"),
    ("data", "audit"),
    ("model",),
    ("model", "show"),
    ("model", "verify"),
    ("queue",),
    ("queue", "export-corrections"),
    ("queue", "forget"),
    ("queue", "prune"),
    ("keys",),
    ("keys", "create"),
    ("keys", "list"),
    ("keys", "rotate"),
    ("keys", "revoke"),
]


class Ended(NamedTuple):
    """How a command ended."""

    code: object
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str | Path) -> Ended:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ended(ended.value.code, out, err)

    return run


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: Command, words: tuple[str, ...]) -> None:
    done = command(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: replyrank {' '.join(words)} ")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_does(command: Command, words: tuple[str, ...]) -> None:
    options = command(*words, "--help").out.partition("\nOptions:\n")[2]
    starts = [line for line in options.splitlines() if line.startswith("  -")]
    assert starts
    following = dict(zip(options.splitlines(), [*options.splitlines()[1:], ""], strict=True))
    silent = [
        line
        for line in starts
        if "  " not in line.strip() and not following[line].startswith("   ")
    ]
    assert silent == []


def test_help_names_every_command(command: Command) -> None:
    done = command("--help")
    listed = done.out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == sorted(
        {words[0] for words in COMMANDS}, key=[words[0] for words in COMMANDS].index
    )


def test_version_is_that_of_the_package(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        return {"replyrank": "1.2.3"}[package]

    monkeypatch.setattr(cli, "version", version)
    assert command("--version") == (0, "replyrank 1.2.3\n", "")


def test_without_a_command_the_help_is_shown_as_an_error(command: Command) -> None:
    done = command()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: replyrank [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    ("arguments", "usage", "message"),
    [
        (("frob",), "", "No such command 'frob'."),
        (("score",), " score", "Missing argument 'IN'."),
        (("score", "a.csv", "--frob"), " score", "No such option: --frob"),
        (("score", "a.csv", "--threads", "0"), " score", "Invalid value for '--threads': "),
        (
            ("rank", "a.csv", "--top", "-3"),
            " rank",
            "Invalid value for '--top': -3 is too small; give 1 or more",
        ),
        (("rank", "a.csv", "--top", "x"), " rank", "Invalid value for '--top': "),
        (("evaluate", "a.csv"), " evaluate", "Missing option '-o' / '--output'"),
    ],
)
def test_wrong_usage_ends_with_2(
    command: Command, arguments: tuple[str, ...], usage: str, message: str
) -> None:
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Usage: replyrank{usage} ")
    assert f"\nError: {message}" in done.err


@pytest.mark.parametrize(
    ("given", "threads"), [((), "3"), (("--threads", "2"), "2"), (("--threads", "99"), "3")]
)
def test_no_more_threads_work_than_the_process_has_cpus(
    command: Command, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], threads: str
) -> None:
    pools = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS")
    for pool in pools:
        # Set first, so that it is put back even where it was not there.
        monkeypatch.setenv(pool, "")
        monkeypatch.delenv(pool)
    monkeypatch.setattr(cpus, "available_cpus", lambda: 3)
    done = command("score", "absent.csv", *given)
    told = "--threads 99 is more than the CPUs that this process may use; 3 work\n" in done.err
    assert told == ("99" in given)
    assert [os.environ[pool] for pool in pools] == [threads, threads]


def test_a_pool_that_the_environment_limits_keeps_its_limit(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    command("score", "absent.csv", "--threads", "2")
    assert os.environ["RAYON_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"] == "1"


class _WorseError(UsageError):
    exit_code = 2


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ReplyrankError("it broke; mend it"), 1, "replyrank: it broke; mend it\n"),
        (UsageError("that is wrong; do this"), 2, "replyrank: that is wrong; do this\n"),
        (_WorseError("so is that"), 2, "replyrank: so is that\n"),
        (
            FileNotFoundError(2, "No such file or directory", "a/b.csv"),
            1,
            "replyrank: a/b.csv: No such file or directory\n",
        ),
        (OSError(28, "No space left on device"), 1, "replyrank: No space left on device\n"),
        (OSError("tape torn"), 1, "replyrank: tape torn\n"),
        (OSError(), 1, "replyrank: OSError\n"),
        (
            MissingExtraError("train", "train", "torch"),
            1,
            "replyrank: `replyrank train` needs the `train` extra (no package 'torch' here); "
            "install with pip install 'replyrank[train]'\n",
        ),
    ],
)
def test_an_error_becomes_words_and_a_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, words: str
) -> None:
    def fails(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    assert command("score") == (code, "", words)


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: object) -> None:
        message = "a bug"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        cli.main(["score"])


def test_an_interruption_ends_with_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("replyrank.serving.commands.model.find_artefact", interrupted)
    assert command("model", "show") == (130, "", "")

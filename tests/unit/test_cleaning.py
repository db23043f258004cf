"""Cleaning: frozen examples of every kind, and what holds for any text at all."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replyrank.data import cleaning
from replyrank.data.cleaning import MAX_CHARS, clean

#: A change here is a change of what models read: raise ``CLEANING_VERSION`` with it.
EXAMPLES = {
    "nothing": ("", ""),
    "white space": ("  late \t again\r\n\n now ", "late again now"),
    "entities": ("cold &amp; late &lt;3", "cold & late <3"),
    "entities escaped twice": ("cold &amp;amp; late &amp;lt;3", "cold & late <3"),
    "handle escaped twice": ("&amp;#64;acme help", "@user help"),
    "mojibake": ("donâ€™t care about the cafÃ©", "don't care about the café"),
    "zero width": ("he\u200bll\u2060o\ufeff", "hello"),
    "soft hyphen and direction": ("de\u00adlay \u202eback\u202c", "delay back"),
    "control": ("a\x07b\x00c\x7fd", "a b c d"),
    "NULs only": ("\x00\x00", ""),
    "lone surrogate": ("bad \ud800 text", "bad text"),
    "link": ("see https://t.co/AbC?x=1 now", "see http now"),
    "bare link": ("see www.acme.com/help now", "see http now"),
    "short link": ("see bit.ly/xYz now", "see http now"),
    "cut link": ("see https:", "see http"),
    "link becomes one word": ("see {link}", "see http"),
    "links in a row": ("https://a.b http://c.d www.e.f", "http"),
    "handle": ("@Acme_Help my bag", "@user my bag"),
    "a time, no handle": ("@ 5pm @ the gate", "@ 5pm @ the gate"),
    "handle becomes one word": ("@{mention} my bag", "@user my bag"),
    "handle apart becomes one word": ("@ {mention} my bag", "@user my bag"),
    "handles in a row": ("@acme @bob, @eve my bag", "@user my bag"),
    "wide handle": ("＠acme my bag", "@user my bag"),
    "e-mail": ("write to jo.doe+x@mail.acme.com please", "write to email please"),
    "hashtag": ("#fail by #AcmeAir, issue no.#7", "fail by AcmeAir, issue no.7"),
    "emoji": ("so late 😡", "so late pouting"),
    "emoji with looks": ("done 👍🏽 ❤️", "done thumbs up heart"),
    "emoji in a run": ("😡😡😡😡", "pouting"),
    "elongation": ("sooooooo late!!!!!!!", "sooo late!!!"),
    "elongation to three": ("sooo late!!!", "sooo late!!!"),
    "quotes and dashes": ("“it’s” – or — so…", '"it\'s" - or - so...'),
    "ligature": ("ﬁnal oﬀer", "final offer"),
    "bold letters": ("𝐇𝐞𝐥𝐩 𝓂ℯ", "Help me"),
    "accents stay": ("crème brûlée", "crème brûlée"),
}


@pytest.mark.parametrize(("text", "expected"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_frozen_example(text: str, expected: str) -> None:
    assert clean(text) == expected


FRAGMENTS = [
    *("&amp;", "&", "amp;", "&#64;", "&#38;", "#38;", "&lt;", "&num;", "&semi;", "&#65286;"),
    *("#", "##", "@", "@ ", "@user", "@a", "{mention}", "{link}", "a@b.c", "email"),
    *("http", "https", "https:", "://", "//", "www", "www.", "：//", "t.co/", "bit.ly/x"),
    *("\u200b", "\u00ad", "\u202e", "\ufe0f", "\u200d", "\x00", "\x85", "\n", "\u3000", "\ud800"),
    *("😡", "👍🏽", "❤️", "🇬🇧", "™", "’", "…", "â€™", "Ã©", "Â", "ﬀ", "＠", "＆", "ａ", "𝐇", "ﷺ"),
    *("é", "e\u0301", "\u0301", "aaaa", "!!!!", "....", "user", "x", " ", "_", "-", "."),
]

HOSTILE = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=40).map(
    "".join
)


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_clean_is_idempotent_bounded_and_one_line(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert len(cleaned) <= MAX_CHARS
    assert cleaned == " ".join(cleaned.split())
    cleaned.encode("utf-8")


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_cleaned_once_and_for_all(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    ("opening", "step"),
    [("&", "amp;"), ("&", "#65286;"), ("&", "#38;"), ("&#65286;", "#65286;"), ("&", "amp")],
)
def test_nesting_of_any_depth_settles(opening: str, step: str) -> None:
    for depth in range(1, 60):
        cleaned = clean(f"is it {opening}{step * depth}lt;3 or not")
        assert clean(cleaned) == cleaned
        assert cleaned.startswith("is it")
        assert cleaned.endswith("or not")


def test_what_is_nested_too_deep_keeps_its_letters() -> None:
    text = f"where is my order? &{'amp;' * 40}lt; @acme"
    # Eight rounds undo sixteen levels, and the handle.
    assert clean(text) == f"where is my order {'amp ' * 24}lt user"


def test_a_long_text_keeps_head_and_tail() -> None:
    cleaned = clean("first " + "word " * 5_000 + "last")
    assert cleaned.startswith("first word")
    assert cleaned.endswith("word last")
    assert len(cleaned) <= MAX_CHARS


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_work_does_not_grow_with_a_long_text(
    fragment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a text is, no round reads more than what is kept of it."""
    read: list[int] = []
    one_round: Callable[[str], str] = getattr(cleaning, "_one_round")  # noqa: B009  (private)

    def counted(text: str) -> str:
        read.append(len(text))
        return one_round(text)

    monkeypatch.setattr(cleaning, "_one_round", counted)
    cleaned = clean(fragment * (100_000 // len(fragment)))
    assert max(read) <= MAX_CHARS
    assert len(read) <= 16
    assert len(cleaned) <= MAX_CHARS
    assert clean(cleaned) == cleaned

"""The behaviour suites are what their README says; what models make of them is another matter."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from replyrank.data.behaviour import Case, Kind, capabilities, load_cases
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.samples.load import load_samples

README = Path(__file__).resolve().parents[2] / "data/behaviour/README.md"
CASES = load_cases()


def test_every_suite_stands_in_the_readme() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    listed = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert tuple(name for name in listed if name not in set(Kind)) == capabilities()


@pytest.mark.parametrize("capability", capabilities())
def test_a_suite_is_large_and_varied(capability: str) -> None:
    cases = [case for case in CASES if case.capability == capability]
    templates = Counter(case.template for case in cases)
    assert len(cases) >= 60
    assert len(templates) >= 12
    assert all(template.startswith(f"{capability}-") for template in templates)
    assert max(templates.values()) <= len(cases) / 6


def test_a_case_holds_what_its_kind_needs() -> None:
    for case in CASES:
        assert (case.expect is not None) == (case.kind is Kind.MINIMUM)
        assert (case.rising is not None) == (case.kind is Kind.DIRECTION)
        assert (
            len(case.texts)
            in {
                Kind.MINIMUM: {1},
                Kind.INVARIANCE: {2, 3, 4},
                Kind.DIRECTION: {2},
            }[case.kind]
        )


def test_an_expectation_says_something_that_can_hold() -> None:
    for case in CASES:
        if case.expect is None:
            continue
        least, most = case.expect.least_urgency, case.expect.most_urgency
        assert (case.expect.intent, case.expect.sentiment, least, most) != (None,) * 4
        assert least is None or most is None or least <= most


def test_no_text_stands_twice() -> None:
    texts = Counter(text for case in CASES for text in case.texts)
    assert [text for text, n in texts.items() if n > 1] == []


def test_cases_of_different_templates_are_no_near_copies() -> None:
    by_template: defaultdict[str, list[Case]] = defaultdict(list)
    for case in CASES:
        if case.capability != "emoji_only":
            by_template[case.template].append(case)
    for template, cases in by_template.items():
        others = [
            text
            for name, some in by_template.items()
            if name != template
            for case in some
            for text in case.texts
        ]
        guard = NearCopyGuard([text for case in cases for text in case.texts])
        assert [text for text in others if guard.copied(text) is not None] == []


def test_no_sample_is_a_near_copy_of_a_case() -> None:
    guard = NearCopyGuard([text for case in CASES for text in case.texts])
    # Hearts are hearts: a text without letters is a copy wherever it is meant the same.
    samples = [
        sample.message.text
        for sample in load_samples()
        if any(map(str.isalpha, sample.message.text))
    ]
    assert [text for text in samples if guard.copied(text) is not None] == []

"""Labelled files: three formats, wrong labels by line, companies, copies of texts."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.readers import ReadOptions
from replyrank.training.labelled import LabelledOptions, read_labelled
from replyrank.training.rows import MASKED

CSV = """text,intent,urgency,sentiment,source,channel,brand,split
"My bag is still in Rome, @delta",support_request,2,negative,shop,twitter,Delta,test
"Lovely crew today",praise,none,Positive,shop,facebook,,train
"Where is my parcel?",support request,low,,mail,,,test
"""


def write(folder: Path, content: str, name: str = "posts.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_labels_as_numbers_or_words(tmp_path: Path) -> None:
    posts = read_labelled(write(tmp_path, CSV))
    assert len(posts) == 3
    assert posts.rows.texts[1] == "Lovely crew today"
    assert posts.rows.intent.tolist() == [0, 1, 0]
    assert posts.rows.urgency.tolist() == [2, 0, 1]
    assert posts.rows.sentiment.tolist() == [0, 2, MASKED]
    assert posts.source == ("shop", "shop", "mail")
    assert posts.channel == ("twitter", "facebook", None)
    assert not posts.left_out


def test_wrong_rows_are_left_out_and_told_by_line(tmp_path: Path) -> None:
    content = "text,intent,urgency,sentiment\nHi,chatter,0,neutral\nHello,rant,1,neutral\n"
    content += '"Two\nlines",opinion,9,neutral\n  ,praise,0,positive\n'
    content += "Nothing known,,,\nFine,chatter,0,meh\nFine,chatter\n"
    posts = read_labelled(write(tmp_path, content))
    assert posts.rows.texts == ("Hi",)
    assert [(row.line, row.reason) for row in posts.left_out] == [
        (3, "intent 'rant' is not one; use support_request, praise, opinion, chatter"),
        (4, "urgency '9' is not a level; use 0-3 or none, low, high, critical"),
        (6, "no text"),
        (7, "no label"),
        (8, "sentiment 'meh' is not one; use negative, neutral, positive"),
        (9, "number of fields: 2; the header has 4"),
    ]


def test_json_lines_and_parquet_give_the_same_posts(tmp_path: Path) -> None:
    jsonl = write(
        tmp_path,
        '{"text": "It broke", "urgency": 2.0}\n{"text": "Thanks", "intent": "x"}\n',
        "posts.jsonl",
    )
    parquet = tmp_path / "posts.parquet"
    pq.write_table(pa.table({"text": ["It broke"], "urgency": [2.0]}), parquet)
    for path in (jsonl, parquet):
        posts = read_labelled(path)
        assert posts.rows.texts == ("It broke",)
        assert posts.rows.urgency.tolist() == [2]
        assert posts.rows.intent.tolist() == [MASKED]


def test_a_split_and_other_names_of_columns(tmp_path: Path) -> None:
    path = write(tmp_path, CSV.replace("text,", "words,").replace("sentiment,", "mood,"))
    options = LabelledOptions(
        ReadOptions(text_column="words"), label_columns={"sentiment": "mood"}, split="test"
    )
    posts = read_labelled(path, options)
    assert posts.rows.texts == ("My bag is still in Rome, @delta", "Where is my parcel?")
    assert posts.rows.sentiment.tolist() == [0, MASKED]


def test_companies_by_brand_or_by_the_one_that_is_mentioned(tmp_path: Path) -> None:
    content = "text,intent,brand\nHi,chatter,@Delta\nHi @delta,chatter,\nHi,chatter,Corner Shop\n"
    content += "Hi @delta and @united,chatter,\n"
    delta, mentioned, shop, two = read_labelled(write(tmp_path, content)).companies
    assert delta is not None
    assert delta == mentioned
    assert shop == "corner_shop"
    assert two is None


def test_copies_of_other_posts_are_taken_out(tmp_path: Path) -> None:
    posts = read_labelled(write(tmp_path, CSV))
    content = "text,intent,brand\nLovely  crew\ttoday,praise,a\nNew to me,chatter,b\n"
    rest = read_labelled(write(tmp_path, content, "more.csv")).without(posts)
    assert rest.rows.texts == ("New to me",)
    assert rest.brand == ("b",)
    assert len(rest) == 1


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text,topic\nHi,a\n", LabelledOptions(), "no label column; it has 'text', 'topic'"),
        (CSV, LabelledOptions(split="gate"), "no labelled post with split 'gate'"),
        ("text,intent\nHi,praise\n", LabelledOptions(split="test"), "no column 'split'"),
        (CSV, LabelledOptions(label_columns={"intent": "kind"}), "no column 'kind' for intent"),
        ("text,intent\nHi,what\n", LabelledOptions(), "1 row left out; line 2: intent 'what'"),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, content: str, options: LabelledOptions, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        read_labelled(write(tmp_path, content), options)

from replyrank.data.wording import counted


def test_a_noun_has_the_number_of_its_count() -> None:
    said = [counted(number, "row") for number in (0, 1, 2, 1200)]
    assert said == ["0 rows", "1 row", "2 rows", "1,200 rows"]

"""Posts in other languages are flagged; short English posts never fall out of the queue."""

import math
import time

import pytest

from replyrank.models.language import LANGUAGES, detect, english_margin, load

MARGIN = 3.75

FOREIGN = {
    "de": "Ich warte jetzt seit drei Wochen auf mein Paket und niemand antwortet mir",
    "fr": "Bonjour, je n'ai toujours pas reçu ma commande et personne ne me répond",
    "es": "Hola, llevo dos horas esperando en el aeropuerto y nadie nos dice nada",
    "nl": "Ik heb gisteren een bestelling geplaatst maar ik krijg geen bevestiging",
    "pt": "Bom dia, o meu telefone não funciona desde ontem, podem me ajudar",
    "id": "Saya sudah menunggu pesanan saya sejak kemarin tetapi belum datang juga",
    "ru": "Здравствуйте, мой заказ до сих пор не пришёл, помогите пожалуйста",
    "ja": "注文した商品がまだ届いていません。確認をお願いします。",
    "ar": "لم يصل طلبي حتى الآن ولا أحد يرد على رسائلي",
    "th": "ยังไม่ได้รับสินค้าที่สั่งไปเมื่ออาทิตย์ที่แล้วเลยค่ะ",
}

ENGLISH = [
    "ok",
    "thx!!!",
    "lol no way",
    "wow amazing service guys",
    "plz refund asap",
    "app crashes constantly since update",
    "Stuck at Guarulhos, São Paulo airport, any update on flight 8432?",
    "gonna be late bc train cancelled smh",
    "Y U NO REPLY",
    "soooooo goooood",
    "order number 4711-0815, Köln",
]


@pytest.mark.parametrize(("code", "text"), FOREIGN.items())
def test_other_languages_are_flagged(code: str, text: str) -> None:
    found = detect([text], MARGIN)
    assert found.codes == (code,)
    assert found.foreign.tolist() == [True]


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_not_flagged(text: str) -> None:
    found = detect([text], MARGIN)
    assert found.foreign.tolist() == [False]
    assert found.codes[0] in ("en", None)


@pytest.mark.parametrize("text", ["", "gracias", "@marca #hola https://example.com/es", "12 34"])
def test_too_little_text_has_no_language(text: str) -> None:
    found = detect([text], 0)
    assert found.codes == (None,)
    assert not found.foreign.any()
    assert english_margin([text])[1].tolist() == [-math.inf]


def test_addresses_handles_and_hashtags_do_not_count() -> None:
    text = FOREIGN["de"]
    noise = f"@WhereIsMyOrder {text} #thisIsNotEnglish https://example.com/the-order-of-the-day"
    assert detect([noise], MARGIN).codes == ("de",)


def test_names_of_places_do_not_count() -> None:
    place = "Meeting (@ Stasiun Gambir in Jakarta Pusat, Daerah Khusus Ibukota Jakarta)"
    assert not detect([place], MARGIN).foreign.any()


def test_function_words_settle_it_without_a_contest() -> None:
    codes, margins = english_margin(["where is the order that you said I would get by now"])
    assert (codes, margins.tolist()) == (["en"], [-math.inf])


def test_margin_decides_and_doubt_has_no_code() -> None:
    text = FOREIGN["nl"]
    codes, margins = english_margin([text])
    assert codes == ["nl"]
    margin = float(margins[0])
    assert MARGIN < margin < math.inf
    assert detect([text], margin - 0.01).codes == ("nl",)
    doubtful = detect([text], margin + 0.01)
    assert doubtful.codes == (None,)
    assert not doubtful.foreign.any()


def test_order_is_kept_and_neighbours_do_not_matter() -> None:
    texts = [*ENGLISH, *FOREIGN.values(), ""]
    together = english_margin(texts)
    alone = [english_margin([text]) for text in texts]
    assert together[0] == [codes[0] for codes, _ in alone]
    assert together[1].tolist() == [margins[0] for _, margins in alone]


@pytest.mark.parametrize(
    "text", ["\ud800\ud801 ab cd ef", "\x00" * 50, "a." * 50_000, "(@ " * 30_000, "@ " * 50_000]
)
def test_hostile_text_costs_little(text: str) -> None:
    load()
    start = time.perf_counter()
    detect([text], MARGIN)
    assert time.perf_counter() - start < 1


def test_codes_are_iso_639_1() -> None:
    assert all(len(code) == 2 for code in LANGUAGES)
    assert len(set(LANGUAGES)) == len(LANGUAGES)

"""A receipt on paper says what was signed, to eyes, to screen readers and to the camera of a telephone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta

import pikepdf
import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from services.submission.receipts.printing import _LATIN, ATTACHED
from tests.support.receipts import NOON, claims, opened, printed, statement

ADDRESS = "https://etma.example.org/verify/0b6f7a9c-53a2-4c3a-9c2e-1c2d3e4f5a6b"


def text_of(pdf: bytes) -> str:
    """What is on the pages, without the breaks of lines."""
    pages = pypdfium2.PdfDocument(pdf)
    text = " ".join(page.get_textpage().get_text_bounded() for page in pages)
    pages.close()
    return " ".join(text.split())


def picture_of(pdf: bytes) -> Image.Image:
    pages = pypdfium2.PdfDocument(pdf)
    picture: Image.Image = pages[0].render(scale=2).to_pil()
    pages.close()
    return picture


def tags_of(element: pikepdf.Object) -> Iterator[pikepdf.Object]:
    """The elements of the structure tree, in reading order."""
    children = element.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            yield child
            yield from tags_of(child)


def test_it_says_what_was_signed() -> None:
    text = text_of(printed())
    said = claims()
    for name in ("jti", "assignment", "student", "submission_id", "sha256"):
        assert str(said[name]) in text
    for words in (
        "Receipt for version 2 of K827-26J-TMA01",
        "Reading the figures",
        "essay.pdf",
        "58213 bytes",
        "Upload began Tuesday 24 November 2026, 11:58 (GMT)",
        "Arrived Tuesday 24 November 2026, 12:00 noon (GMT)",
        "Cut-off Tuesday 24 November 2026, 12:00 noon (GMT)",
        "Ruling at issue On time",
        statement().key_id,
        ADDRESS,
    ):
        assert words in text


def test_the_signed_receipt_is_attached_as_it_is() -> None:
    pdf = opened(printed())
    assert list(pdf.attachments) == [ATTACHED]
    assert pdf.attachments[ATTACHED].get_file().read_bytes() == statement().text.encode("ascii")


def test_screen_readers_find_language_title_headings_table_and_the_words_for_the_picture() -> None:
    pdf = opened(printed())
    assert (pdf.Root.MarkInfo.Marked, str(pdf.Root.Lang)) == (True, "en-GB")
    assert pdf.Root.ViewerPreferences.DisplayDocTitle
    tags = list(tags_of(pdf.Root.StructTreeRoot))
    kinds = [str(tag.S) for tag in tags]
    assert [kinds.count(kind) for kind in ("/H1", "/H2", "/Table", "/TH", "/Figure", "/Link")] == [1, 1, 1, 2, 1, 1]
    (figure,) = (tag for tag in tags if tag.S == "/Figure")
    assert ADDRESS in str(figure.Alt)
    with pdf.open_metadata() as metadata:
        assert metadata["dc:title"] == "Receipt for version 2 of K827-26J-TMA01"
        assert (metadata["pdfuaid:part"], metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("1", "3", "A")


def test_the_code_leads_to_the_page_of_this_receipt() -> None:
    (code,) = zxingcpp.read_barcodes(picture_of(printed()))
    assert (code.format, code.text) == (zxingcpp.BarcodeFormat.QRCode, ADDRESS)


def test_the_same_receipt_is_the_same_file_and_another_is_another() -> None:
    assert printed() == printed()
    later = (NOON + timedelta(seconds=1)).isoformat()
    assert printed(arrived_at=later) != printed()


@pytest.mark.parametrize(
    "name",
    [
        '#panic("no") #sys.inputs $x^2$ [*a*] _b_ `c` @d <e> \\ // /* " \' ~ --- = h',
        '"}]} {"name": 1}',
        "../../etc/passwd",
        "schön é.pdf",
        "Ελληνικά Кириллица.pdf",
    ],
)
def test_a_name_is_shown_letter_by_letter(name: str) -> None:
    assert name in text_of(printed(file_name=name))


@pytest.mark.parametrize("name", ["\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}.pdf", "\N{ARABIC LETTER MEEM}.pdf"])
def test_letters_that_run_to_the_left_are_shown(name: str) -> None:
    text = text_of(printed(file_name=name))
    assert set(name) <= set(text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\N{CJK UNIFIED IDEOGRAPH-6587}.pdf", "[U+6587].pdf"),
        ("\N{GRINNING FACE}.pdf", "[U+1F600].pdf"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}x\x07\ue000\U0010fffd", "[U+FEFF]x[U+0007][U+E000][U+10FFFD]"),
    ],
)
def test_a_letter_that_no_font_has_is_given_by_its_number(name: str, shown: str) -> None:
    assert shown in text_of(printed(file_name=name, title=name))


def test_all_letters_that_are_not_spelled_out_can_be_printed() -> None:
    assert "[U+6587]" in text_of(printed(file_name="".join(sorted(_LATIN)) + "\N{CJK UNIFIED IDEOGRAPH-6587}"))


def test_a_long_name_stays_on_the_page() -> None:
    picture = picture_of(printed(file_name="n" * 255)).convert("L")
    margin = picture.crop((picture.width - 80, 0, picture.width, picture.height))
    assert margin.getextrema() == (255, 255)


def test_a_receipt_of_a_replay_says_so() -> None:
    assert "Simulated" in text_of(printed(simulated=True))
    assert "Simulated" not in text_of(printed())


def test_no_font_of_the_machine_is_in_it() -> None:
    pdf = opened(printed())
    fonts = {str(font.BaseFont).partition("+")[2] for page in pdf.pages for font in page.Resources.Font.values()}
    assert fonts
    assert all(name.startswith(("LibertinusSerif", "DejaVuSansMono")) for name in fonts), fonts
    assert io.BytesIO(printed()).getvalue().startswith(b"%PDF-1.7")

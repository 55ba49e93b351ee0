"""What pages load comes from here, at addresses that change with it, and small enough for a slow line."""

from __future__ import annotations

import gzip
import re

import pytest
from starlette.testclient import TestClient

from deploy.setup.assets import neutral_style, without_map
from deploy.setup.debian import CannotSetUp
from shared.settings import BadSettings
from shared.web.app import create_app
from shared.web.assets import Assets
from shared.web.brand import BRAND, Brand, contrast_with_white
from shared.web.pages import Pages
from tests.support.callers import callers_of_anybody

MOST_PACKED_BYTES = 100_000
LOADED = ("govuk.css", "brand.css", "etma.css", "start.js", "govuk.js", "upload.js", "tus.js")


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets(BRAND)


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = create_app(routers=[], pages=Pages([], demo=False), callers=callers_of_anybody(), form_secret=b"", ready=dict)
    return TestClient(app)


@pytest.mark.parametrize("name", LOADED)
def test_a_browser_keeps_what_is_at_an_address_for_ever(client: TestClient, assets: Assets, name: str) -> None:
    answer = client.get(assets.address(name))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert (
        answer.headers["content-type"].split(";")[0]
        == {"css": "text/css", "js": "text/javascript"}[name[-3:].strip(".")]
    )
    plain = client.get(assets.address(name), headers={"accept-encoding": "identity"})
    assert (plain.content, "content-encoding" in plain.headers) == (answer.content, False)
    assert answer.headers["content-encoding"] == "gzip"


def test_a_page_of_another_release_gets_what_there_is_and_does_not_keep_it(client: TestClient, assets: Assets) -> None:
    answer = client.get("/static/etma-000000000000.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert answer.content == client.get(assets.address("etma.css")).content


@pytest.mark.parametrize("file", ["etma.css", "nothing-000000000000.css", "..%2Fassets-0.py", "-.", "etma-0.py"])
def test_nothing_else_is_there(client: TestClient, file: str) -> None:
    assert client.get(f"/static/{file}").status_code == 404


def test_an_address_changes_with_the_content(assets: Assets) -> None:
    other = Assets(Brand(name="Marking", colour="#702000"))
    assert other.address("brand.css") != assets.address("brand.css")
    assert other.address("govuk.css") == assets.address("govuk.css")


def test_all_that_pages_load_is_small(client: TestClient, assets: Assets) -> None:
    contents = [client.get(assets.address(name)).content for name in LOADED]
    assert sum(len(gzip.compress(content)) for content in contents) < MOST_PACKED_BYTES


def test_what_is_fetched_loads_nothing_more_and_has_no_font_or_crest_of_others(
    client: TestClient, assets: Assets
) -> None:
    style = client.get(assets.address("govuk.css")).text
    assert not re.findall(r"url\(|@font-face|@import|GDS Transport|sourceMappingURL", style)
    assert "sourceMappingURL" not in client.get(assets.address("govuk.js")).text


def test_the_style_sheet_is_made_neutral_or_not_used() -> None:
    text = (
        "@font-face{font-family:GDS Transport;src:url(/a.woff2)}"
        "p{font-family:GDS Transport,arial,sans-serif;background-image:url(/assets/images/govuk-crest.svg);margin:0}"
        "\n/*# sourceMappingURL=a.css.map */\n"
    )
    assert neutral_style(text) == "p{font-family:Helvetica Neue,Arial,Liberation Sans,sans-serif;margin:0}"
    with pytest.raises(CannotSetUp, match="GDS Transport"):
        neutral_style("p{font:bold GDS Transport}")
    with pytest.raises(CannotSetUp, match="url"):
        neutral_style("p{background:url(https://example.org/a.png)}")
    assert without_map("a()\n//# sourceMappingURL=a.js.map\n") == "a()\n"


@pytest.mark.parametrize(("colour", "ratio"), [("#ffffff", 1.0), ("#000000", 21.0), ("#767676", 4.54)])
def test_contrast_is_that_of_the_guidelines(colour: str, ratio: float) -> None:
    assert contrast_with_white(colour) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize("colour", ["#777777", "#ffffff", "red", "#12345", "#123f5c}body{display:none"])
def test_a_colour_under_which_nobody_could_read_is_refused(colour: str) -> None:
    with pytest.raises(BadSettings, match="ETMA_BRAND_COLOUR"):
        Brand(colour=colour)

"""Sections about many tables, streams that drift and equal compute, in a real browser."""

import pytest
from opened_page import HOSTILE, Opened


@pytest.fixture
def many(browser, many_file):
    with Opened(browser, many_file) as page:
        yield page


def drifting(many):
    many.page.locator("[data-facet=stream]").select_option("continual")


def parts(page):
    return page.eval_on_selector_all("#parts a", "links => links.map(a => a.textContent)")


def test_kinds_and_ranks_stand_beside_the_views_they_are_of(many, many_file):
    page = many.page
    page.evaluate("charts.forEach(draw)")
    assert page.locator("#ranks-0-chart .main-svg").count() > 0
    kinds = page.locator("section[data-part=Kinds]")
    assert kinds.locator("thead th").all_inner_texts()[:3] == ["method", "snow", "fog"]
    assert kinds.locator("td.bold").count() == 1
    assert kinds.locator("td.oracle").count() > 0  # printed in papers
    assert {"All pairs", "Kinds"} <= set(parts(page))
    assert "Segments" not in parts(page)
    assert len(set(parts(page))) == len(parts(page))
    assert many.errors == []
    assert [url for url in many.requests if not url.startswith(("data:", "blob:"))] == [many_file.as_uri()]


def test_ranks_are_drawn_with_bars_of_the_critical_difference(many):
    drawn = many.page.evaluate(
        "() => { charts.forEach(draw); const [points] = document.querySelector('#ranks-0-chart .chart').data;"
        " return [points.x, 2 * points.error_x.value, page.sections.find(s => s.ranks).ranks.critical]; }"
    )
    assert drawn[0] == [1, 2, 3]
    assert drawn[1] == pytest.approx(drawn[2])


def test_severities_are_drawn_with_the_numbers_of_their_table(browser, severities_file):
    with Opened(browser, severities_file) as opened:
        page = opened.page
        assert "Severities" in parts(page)
        drawn = (
            "() => { charts.forEach(draw); const { data } = document.querySelector('#severities-0-0-chart .chart');"
            " return data.map(line => [line.name, line.x, line.y]); }"
        )
        lines = page.evaluate(drawn)
        rows = page.locator("section[data-part=Severities] tbody tr")
        told = [row.locator("th, td").all_inner_texts() for row in rows.all()]
        assert [name for name, *_ in lines] == [name for name, *_ in told] == ["base", "bn", "tent", "odd"]
        for (*_, y), (_, *shown) in zip(lines, told, strict=True):
            assert y == pytest.approx([float(text) for text in shown[:3]], abs=0.051)
        assert {tuple(x) for _, x, _ in lines} == {(1, 3, 5)}
        page.locator("#legend button[data-label=tent]").click()
        assert [name for name, *_ in page.evaluate(drawn)] == ["base", "bn", "odd"]
        assert page.locator("[id^=severities-] h2").inner_text().startswith("cifar10 → cifar10 over severities")
        assert opened.errors == []


def test_a_stream_that_drifts_has_its_segments_and_nothing_of_the_others(many):
    page = many.page
    drifting(many)
    page.evaluate("charts.forEach(draw)")
    assert page.locator("#segments .main-svg").count() > 0
    assert "Segments" in parts(page)
    assert "Kinds" not in parts(page)
    assert page.locator("section[data-part=Kinds]").is_hidden()
    heads = page.locator("#drifted thead th").all_inner_texts()
    assert heads == ["method", "Δ (%), 1 rooms/fog", f"Δ (%), 2 {HOSTILE}", "forgetting (%) ↓"]
    assert page.locator("#drifted tbody tr").last.locator("td").all_inner_texts() == ["+20.00", "+20.00", "+50.00"]
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0
    assert many.errors == []


def test_equal_compute_reads_every_method_within_it(many):
    page = many.page
    at_last = many.column("delta"), many.labels()
    slider = page.locator("#budget")
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_function("() => document.getElementById('budget-said').textContent === 'within 0x'")
    assert page.locator("#readings input:checked").get_attribute("value") == "budget"
    assert "Not one update fits for" in page.locator("#board-said").inner_text()
    assert set(many.column("delta")) == {"+0.00"}
    page.keyboard.press("End")
    page.wait_for_function("() => document.getElementById('budget-said').textContent !== 'within 0x'")
    assert (many.column("delta"), many.labels()) == at_last
    assert slider.get_attribute("aria-valuetext").startswith("within ")
    page.evaluate("charts.forEach(draw)")
    page.get_by_role("radio", name="last", exact=True).check()
    assert many.column("delta") == at_last[0]
    assert many.errors == []


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light"), (1920, "dark")])
@pytest.mark.parametrize("shown", ["kinds", "stream", "severities"])
def test_they_fit_and_axe_finds_nothing_serious(browser, many_file, severities_file, width, theme, shown):
    from axe_playwright_python.sync_playwright import Axe

    file = severities_file if shown == "severities" else many_file
    with Opened(browser, file, viewport={"width": width, "height": 800}, color_scheme=theme) as opened:
        if shown == "stream":
            drifting(opened)
        opened.page.evaluate("charts.forEach(draw)")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(opened.page).response["violations"]
        serious = {each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in ("serious", "critical")}
        assert serious == {}

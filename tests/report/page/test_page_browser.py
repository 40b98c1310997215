"""The page in a real browser: what a reader does with it."""

import dataclasses
import re

import pytest
from opened_page import HOSTILE, Opened

from ttt_bench.report.page.model import Curve


def numbers(texts):
    return [float(text.replace("–", "nan")) for text in texts]


def test_it_opens_without_an_error_and_asks_for_nothing(opened, page_file):
    page = opened.page
    page.evaluate("charts.forEach(draw)")
    for part in ("curves", "over-bn", "bests", "sync", "costs", "streams"):
        assert page.locator(f"#{part} .main-svg").count() > 0, part
    assert opened.errors == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] == [page_file.as_uri()]


def test_the_slider_sorts_the_table_and_moves_the_marks(opened):
    page = opened.page
    page.evaluate("charts.forEach(draw)")
    page.locator("#curves").scroll_into_view_if_needed()
    place = "() => { charts.forEach(draw); return charts.filter(c => c.mark)[0].node.data.at(-1).x; }"
    at_last, deltas = page.evaluate(place), opened.column("delta")
    slider = page.locator("#step")
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_function("() => document.getElementById('step-said').textContent.startsWith('0 ')")
    assert set(page.evaluate(place)) == {0} != set(at_last)
    assert opened.column("delta") != deltas
    ranked = [v for v in numbers(opened.column("delta")) if v == v]
    assert ranked == sorted(ranked, reverse=True)
    assert page.locator("#readings input:checked").get_attribute("value") == "null"
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('step-said').textContent.startsWith('1 ')")
    assert set(page.evaluate(place)) == {1}


def test_each_task_has_its_star_at_its_best_step(opened):
    found = opened.page.evaluate(
        "() => { charts.forEach(draw); const row = view().rows.find(r => r.label === 'tent');"
        " return charts.filter(c => c.mark).map(c => c.node.data.find(t => t.name === 'best')).filter(Boolean)"
        " .slice(0, 4).map((t, i) => t.x.includes(row.best_steps[i])); }"
    )
    assert found == [True] * 4


def test_a_head_sorts_and_says_so(opened):
    page = opened.page
    page.get_by_role("button", name=re.compile("^mIoU")).click()
    values = [v for v in numbers(opened.column("m0")) if v == v]
    assert values == sorted(values, reverse=True)
    page.get_by_role("button", name=re.compile("^Depth RMSE")).click()
    values = [v for v in numbers(opened.column("m1")) if v == v]
    assert values == sorted(values)  # lower is better: the best first
    assert page.locator("th[aria-sort]").get_attribute("data-key") == "m1"


def test_a_selection_is_read_and_the_oracle_is_grey(opened):
    page = opened.page
    page.get_by_role("radio", name="best†").check()
    assert "oracle-read" in page.locator("#ranks").get_attribute("class")
    assert "oracle" in page.locator("#board-said").inner_text()
    best = dict(zip(opened.labels(), numbers(opened.column("delta")), strict=True))
    page.get_by_role("radio", name="last", exact=True).check()
    assert "oracle-read" not in (page.locator("#ranks").get_attribute("class") or "")
    gains = dict(zip(opened.labels(), numbers(opened.column("delta")), strict=True))
    assert all(best[label] >= gain - 0.011 for label, gain in gains.items() if gain == gain)


def test_the_legend_takes_a_method_out_of_every_chart(opened):
    page = opened.page
    page.evaluate("charts.forEach(draw)")
    names = "() => { charts.forEach(draw); return charts.filter(c => c.mark)[0].node.data.map(t => t.name); }"
    page.locator("#curves").scroll_into_view_if_needed()
    assert "tent" in page.evaluate(names)
    button = page.locator("#legend button[data-label=tent]")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert "tent" not in page.evaluate(names)
    assert not page.locator("tr[data-label=tent] input").is_checked()
    page.locator("tr[data-label=tent] input").check()
    assert "tent" in page.evaluate(names)


def test_views_are_switched_by_what_they_differ_in(opened):
    page = opened.page
    assert page.locator("#facets select").evaluate_all("nodes => nodes.map(n => n.dataset.facet)") == ["pair", "recipe"]
    page.locator("[data-facet=recipe]").select_option("paper")
    assert page.evaluate("view().facets.slice(0, 3)") == ["a → b", "online", "paper"]
    page.locator("[data-facet=pair]").select_option("a → c")  # which exists under native alone
    assert page.locator("[data-facet=recipe]").input_value() == "native"
    assert page.locator("#pictures").is_hidden()
    assert opened.errors == []


def test_a_table_is_taken_along(opened):
    for form, start in (("CSV", "method,n,"), ("Markdown", "## Tasks"), ("LaTeX", "% ")):
        with opened.page.expect_download() as caught:
            opened.page.get_by_role("button", name=f"download Tasks at the last step as {form}").click()
        assert caught.value.path().read_text(encoding="utf-8").startswith(start)


def test_a_table_opens(opened):
    page = opened.page
    page.get_by_text("Cost of one update", exact=True).click()
    # The browser tells of an opened part a moment later, which is when its table is made.
    page.wait_for_function("() => document.querySelectorAll('details[open] tbody tr').length === 6")


def test_the_command_of_a_row_is_copied(browser, page_file):
    with Opened(browser, page_file, permissions=["clipboard-read", "clipboard-write"]) as opened:
        opened.page.get_by_role("button", name="copy the command that makes tent").click()
        opened.page.wait_for_function("() => document.getElementById('told').textContent.startsWith('Copied')")
        said = opened.page.evaluate("() => navigator.clipboard.readText()")
        assert said.startswith("python -m ttt_bench sweep")
        assert "--methods tent" in said


def test_hostile_names_are_text(opened):
    page = opened.page
    page.evaluate("charts.forEach(draw)")
    label = f"odd(name={HOSTILE})"
    assert label in opened.labels()
    assert page.locator("#legend").get_by_text(label).count() == 1
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]")[0] <= 1280


def test_the_swipe_uncovers_the_method(opened):
    page = opened.page
    clip = "() => getComputedStyle(document.querySelectorAll('.swipe img + img')[0]).clipPath"
    before = page.evaluate(clip)
    slider = page.locator("#picture-controls input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    assert page.evaluate(clip) != before
    page.get_by_role("radio", name="Depth").check()
    assert page.locator("#sheet img[alt^='Depth by tent']").count() == 2


def test_collapses_stand_with_their_reason(opened):
    assert "s4t, seed 1" in opened.page.locator("#collapsed").inner_text()
    assert "collapsed 1/2 @ 3" in opened.page.locator("tr[data-label=s4t]").inner_text()


def test_the_keyboard_reaches_everything(opened):
    page = opened.page
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if "step" in seen and seen.count("BUTTON") > 3:
            break
    assert seen[0] == "A"  # past the head, straight to the leaderboard
    assert {"theme", "step", "play", "SELECT", "BUTTON"} <= set(seen)


@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (1280, "dark"), (1920, "light")])
def test_nothing_is_wider_than_the_window_and_axe_finds_nothing_serious(browser, page_file, width, theme):
    from axe_playwright_python.sync_playwright import Axe

    with Opened(browser, page_file, viewport={"width": width, "height": 800}, color_scheme=theme) as opened:
        page = opened.page
        page.evaluate("charts.forEach(draw)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        found = Axe().run(page).response["violations"]
        serious = {each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in ("serious", "critical")}
        assert serious == {}


def test_paper_is_light_and_has_every_chart(browser, page_file):
    with Opened(browser, page_file, color_scheme="dark") as opened:
        opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert opened.page.evaluate("document.documentElement.dataset.theme") == "light"
        assert opened.page.evaluate("charts.every(c => !c.stale)")
        opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert opened.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_thousand_trajectories_open_in_time_and_stay_small(browser, page_file, tmp_path):
    """Seconds of the browser's own work, which other programs on the machine do not lengthen."""
    from ttt_bench.report.build import score_folder
    from ttt_bench.report.page.describe import describe
    from ttt_bench.report.page.write import render

    page = describe(score_folder(page_file.parent), "")
    [view, *_] = page.views
    steps = tuple(float(step) for step in range(41))

    def longer(curve, seed):  # one seed, as a thousand settings of one trial each have: no spread
        return Curve(tuple(round(v + 0.001 * seed * k, 3) for k, v in enumerate((curve.mean * 5)[:41])), ())

    rows = tuple(
        dataclasses.replace(
            row, label=f"{row.method}(lr={number})", seeds=1,
            curves=tuple(longer(curve, number) for curve in row.curves),
            over_bn=tuple(longer(curve, number) for curve in row.over_bn),
        )
        for number in range(250)
        for row in view.rows[1:5]
    )  # fmt: skip
    path = tmp_path / "index.html"
    path.write_text(
        render(dataclasses.replace(page, views=(dataclasses.replace(view, rows=rows, steps=steps),)), []),
        encoding="utf-8",
    )
    assert len(rows) == 1000
    assert path.stat().st_size < 6e6
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    session = context.new_cdp_session(opened)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    opened.goto(path.as_uri())
    opened.wait_for_selector("html[data-ready]", timeout=120_000)
    spent = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    assert opened.locator("#ranks tbody tr").count() == 1000
    assert spent["TaskDuration"] < 6.0  # 3 s on a machine of its own; cores that are shared with others are slower
    context.close()

"""A page in a browser, with all that went wrong in it."""

from __future__ import annotations

from pathlib import Path

HOSTILE = "</script><script>window.hit=1</script><img src=x onerror='window.hit=1'>\"&'" + "long" * 30


class Opened:
    """A page in the browser, with all that went wrong in it."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.errors, self.requests = [], []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(Path(path).as_uri())
        self.page.wait_for_selector("html[data-ready]", timeout=60_000)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def labels(self):
        return self.page.eval_on_selector_all("#ranks tbody tr", "rows => rows.map(r => r.dataset.label)")

    def column(self, key):
        return self.page.evaluate(
            "key => { const i = [...document.querySelectorAll('#ranks thead th')].findIndex(h => h.dataset.key === key);"
            " return [...document.querySelectorAll('#ranks tbody tr')].map(r => r.cells[i].textContent.trim()); }",
            key,
        )

"""The page in a real browser: headless Chromium, driven through ChromeDriver."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException

from scalelab.model import RunResult
from scalelab.report import page, sweep_page
from tests import made_up
from tests.conftest import skip_or_fail

# What is shown of each figure, and where it would be seen to be wrong. One SVG of a figure is
# shown, the one for this width; the other is not displayed.
_LOOK = """
const shown = element => element.getClientRects().length > 0;
const within = (inner, outer) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1
    && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
const root = document.documentElement, style = getComputedStyle(document.body);
return {
    overflow: root.scrollWidth - root.clientWidth,
    ink: style.color,
    paper: style.backgroundColor,
    figures: [...document.querySelectorAll('figure')].map(figure => [
        ...figure.querySelectorAll('svg[role=img]')].filter(shown).map(svg => {
            const box = svg.getBoundingClientRect();
            const marks = [...svg.querySelectorAll('polyline, circle, .bar')];
            const texts = [...svg.querySelectorAll('text')];
            return {
                width: box.width,
                height: box.height,
                marks: marks.length,
                invisible: marks.filter(mark => {
                    const drawn = mark.getBoundingClientRect();
                    return drawn.width + drawn.height === 0;
                }).length,
                cut: texts.filter(text => !within(text.getBoundingClientRect(), box))
                    .map(text => text.textContent),
                letters: Math.min(99, ...texts.map(text => text.getBoundingClientRect().height)),
            };
        })),
};
"""


class Browser:
    """Opens pages as a file on disk, and tells everything that is wrong with one."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, file: Path, width: int, scheme: str = "light", media: str = "screen") -> None:
        """Show the file, ``width`` CSS pixels wide."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        emulated = {"media": media, "features": [feature]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # what earlier pages said
        self.driver.get(file.as_uri())

    def wrong(self, file: Path) -> list[str]:
        """Everything wrong with the page that is open: none of it is a matter of taste."""
        found = [f"console: {entry['message']}" for entry in self.driver.get_log("browser")]
        found += [f"request: {url}" for url in self._requests() if url != file.as_uri()]
        look = self.look()
        if look["overflow"] > 0:
            found.append(f"wider than the window by {look['overflow']} px")
        for number, plots in enumerate(look["figures"], start=1):
            if len(plots) != 1:
                found.append(f"figure {number}: {len(plots)} plots are shown")
            for plot in plots:
                if plot["width"] < 200 or plot["height"] < 50:
                    found.append(f"figure {number}: {plot['width']} x {plot['height']} px")
                if plot["invisible"] or not plot["marks"]:
                    found.append(f"figure {number}: {plot['invisible']} of {plot['marks']} unseen")
                if plot["letters"] < 9:
                    found.append(f"figure {number}: letters {plot['letters']} px high")
                found += [f"figure {number}: cut off: {text}" for text in plot["cut"]]
        return found

    def look(self) -> dict[str, Any]:
        """Measures of the page that is open."""
        return dict(self.driver.execute_script(_LOOK))

    def _requests(self) -> Iterator[str]:
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        skip_or_fail("chromium", "Chromium or its chromedriver is not on PATH")
    assert driver is not None
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    # Without a sandbox it runs as root too; it opens nothing but these files.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    try:
        # Named, so that Selenium does not look for one to download.
        chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    except WebDriverException as problem:
        skip_or_fail("chromium", f"Chromium does not start: {problem.msg}")
    yield Browser(chrome)
    chrome.quit()


def open_loop() -> RunResult:
    """Arrivals at a rate that one of three variants cannot keep up with."""
    run = made_up.replication()
    baseline, *others = (dataclasses.replace(s, offered=20_000.0) for s in run.summaries)
    withheld = dict.fromkeys(("mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms"))
    overloaded = dataclasses.replace(baseline, **withheld)
    load = dataclasses.replace(run.load, rate=20_000.0, clients=64)
    return dataclasses.replace(run, load=load, summaries=(overloaded, *others))


def long_names() -> RunResult:
    """Names and words longer than a telephone is wide."""
    run = made_up.caching()
    first, second = run.summaries
    summaries = (
        dataclasses.replace(first, name="a-database-without-anything-beside-it"),
        dataclasses.replace(second, name="one-with-a-cache-that-has-a-rather-long-name"),
    )
    order = tuple(tuple(s.name for s in summaries) for _ in run.order)
    return dataclasses.replace(run, summaries=summaries, order=order, warnings=("w" * 200,))


# Each page, and how many figures it has.
PAGES: dict[str, tuple[Callable[[], str], int]] = {
    "three variants": (lambda: page.render(made_up.replication()), 3),
    "two variants": (lambda: page.render(made_up.caching()), 3),
    "an open loop in stages": (lambda: page.render(made_up.staged()), 3),
    "open loop": (lambda: page.render(open_loop()), 3),
    "faults": (lambda: page.render(made_up.failover()), 4),
    "long names": (lambda: page.render(long_names()), 3),
    "a sweep of clients": (lambda: sweep_page.render(made_up.swept()), 1),
    "a sweep of replicas": (lambda: sweep_page.render(made_up.sized()), 1),
}


@pytest.fixture(scope="module", params=PAGES)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    render, _ = PAGES[request.param]
    file = tmp_path_factory.mktemp(request.param) / "page.html"
    file.write_text(render(), encoding="utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 380])
def test_a_page_on_screen(
    browser: Browser, file: Path, request: pytest.FixtureRequest, width: int, scheme: str
) -> None:
    browser.open(file, width, scheme)
    assert browser.wrong(file) == []
    look = browser.look()
    name = request.node.callspec.params["file"]
    assert len(look["figures"]) == PAGES[name][1]
    ink, paper = (_luminance(look[key]) for key in ("ink", "paper"))
    assert (paper > ink) == (scheme == "light")
    # What WCAG asks of text at its strictest level (AAA, 1.4.6).
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 7


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_in_print_is_black_on_white(browser: Browser, file: Path, scheme: str) -> None:
    browser.open(file, 720, scheme, media="print")  # A4 without its margins
    assert browser.wrong(file) == []
    look = browser.look()
    assert (look["ink"], look["paper"]) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    assert base64.b64decode(browser.driver.print_page()).startswith(b"%PDF")


def test_what_is_wrong_is_found(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "wrong.html"
    text = page.render(made_up.replication())
    policy = text[text.index('<meta http-equiv="Content-Security-Policy"') :].split("\n")[0]
    harm = {
        "error": '<script>console.error("of the page"); throw new Error("thrown")</script>',
        "request": '<img src="http://127.0.0.1:9/pixel.png" alt="">',
        "wide": '<div style="width: 2000px">wide</div>',
        "empty": '<figure><svg role="img" width="0" height="0"></svg></figure>',
        "cut": '<figure><svg role="img" width="300" height="90"><circle r="3" cx="9" cy="9"/>'
        '<text x="290" y="20">far too long</text></svg></figure>',
    }

    def wrong(harmful: str) -> str:
        file.write_text(harmful, encoding="utf-8")
        browser.open(file, 1280)
        return "\n".join(browser.wrong(file))

    assert wrong(text) == ""
    said = wrong(text.replace(policy, "").replace("</main>", "".join(harm.values()) + "</main>"))
    for expected in (
        '"of the page"',
        "Uncaught Error: thrown",
        "request: http://127.0.0.1:9/pixel.png",
        "wider than the window by",
        "figure 4: 0 x 0 px",
        "figure 5: cut off: far too long",
    ):
        assert expected in said
    # The page's own policy already stops what it did not write itself, and the console says so.
    assert "Content Security Policy" in wrong(text.replace("</main>", harm["error"] + "</main>"))


def _luminance(color: str) -> float:
    """Relative luminance of "rgb(r, g, b)", by WCAG 2."""
    channels = [int(part) / 255 for part in color.removeprefix("rgb(").rstrip(")").split(",")]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

"""The report's page in a browser, where one is installed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

#: Tells the page around it what lies outside its width: elements that scroll are looked at as a whole, as a reader can
#: reach their contents.
PROBE = """
<script>
window.addEventListener("load", () => {
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => element.matches(".scroll") && getComputedStyle(element).overflowX === "auto";
  const clipped = [...document.querySelectorAll("body *")].filter((element) => {
    if (scrolls(element.parentElement.closest(".scroll") ?? document.body)) return false;
    const box = element.getBoundingClientRect();
    const inside = scrolls(element) || element.scrollWidth <= element.clientWidth + 1
      || getComputedStyle(element).display === "inline";
    return box.width && (box.right > width + 1 || box.left < -1 || !inside);
  });
  const pictures = [...document.images].filter((image) => !image.naturalWidth);
  const silent = [...document.querySelectorAll(".scroll")].filter((table) =>
    scrolls(table) && table.scrollWidth > table.clientWidth + 1
    && getComputedStyle(table, "::before").content === "none");
  const wide = document.documentElement.scrollWidth > width;
  const names = [...clipped, ...pictures, ...silent].map((element) => element.tagName + "." + element.className);
  parent.postMessage([window.name, {width, wide, names}], "*");
});
</script>
"""
#: The width of A4 within the margins of the page's style, in pixels of CSS.
A4 = 673


@pytest.fixture(scope="module")
def seen(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], str]:
    """What the probe finds of the page at each width and on paper, and what the browser complains of.

    Frames show the page: a browser without a window is never narrower than 500 pixels itself. On paper the style for
    printing applies, on which nothing can be scrolled.
    """
    assert BROWSER is not None
    folder = tmp_path_factory.mktemp("browser")
    page = (saved / "report.html").read_text(encoding="utf-8").replace("</body>", f"{PROBE}</body>")
    (folder / "screen.html").write_text(page, encoding="utf-8")
    (folder / "paper.html").write_text(page.replace("@media print", "@media screen"), encoding="utf-8")
    shown = [*(("screen", width) for width in (1400, 1000, 420)), ("paper", A4)]
    frames = "".join(
        f'<iframe name="{name} {width}" src="{name}.html" style="width: {width}px; height: 900px; border: 0"></iframe>'
        for name, width in shown
    )
    script = """
    <script>
    const found = {};
    window.addEventListener("message", (event) => {
      const [name, what] = event.data;
      found[name] = what;
      document.title = JSON.stringify(found);
    });
    </script>
    """
    (folder / "frames.html").write_text(f"<title>nothing</title><body>{script}{frames}</body>", encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--dump-dom"]
    done = subprocess.run(
        [
            *command,
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            (folder / "frames.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    return json.loads(html.unescape(title[1])), done.stderr


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1400, 1000, 420])
def test_nothing_is_clipped_or_hidden(seen: tuple[dict[str, object], str], width: int) -> None:
    """At the width of a desk and of a phone the page fits, its plots show, and a table that scrolls says so."""
    found, said = seen
    assert found[f"screen {width}"] == {"width": width, "wide": False, "names": []}
    assert "CONSOLE" not in said


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_nothing_is_cut_off_on_paper(seen: tuple[dict[str, object], str]) -> None:
    """Printed on A4, all columns of all tables fit: paper cannot be scrolled."""
    found, _ = seen
    assert found[f"paper {A4}"] == {"width": A4, "wide": False, "names": []}

"""The report's page in a browser, where one is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

#: Writes into the page's title what lies outside it: elements that scroll are looked at as a whole, as a reader can
#: reach their contents.
PROBE = """
<script>
window.addEventListener("load", () => {
  const width = document.documentElement.clientWidth;
  const clipped = [...document.querySelectorAll("body *")].filter((element) => {
    if (element.parentElement.closest(".scroll")) return false;
    const box = element.getBoundingClientRect();
    const inside = element.matches(".scroll") || element.scrollWidth <= element.clientWidth + 1
      || getComputedStyle(element).display === "inline";
    return box.width && (box.right > width + 1 || box.left < -1 || !inside);
  });
  const pictures = [...document.images].filter((image) => !image.naturalWidth);
  const scrolling = [...document.querySelectorAll(".scroll")].filter((table) =>
    table.scrollWidth > table.clientWidth + 1
    && getComputedStyle(table, "::before").content === "none");
  const wide = document.documentElement.scrollWidth > width;
  const names = [...clipped, ...pictures, ...scrolling].map((element) => element.tagName + "." + element.className);
  document.title = JSON.stringify({width, wide, names});
});
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1400, 1000, 500])
def test_nothing_is_clipped_or_hidden(saved: Path, tmp_path: Path, width: int) -> None:
    """At the width of a desk and of a phone the page fits, its plots show, and a table that scrolls says so."""
    assert BROWSER is not None
    page = tmp_path / "report.html"
    page.write_text((saved / "report.html").read_text(encoding="utf-8").replace("</body>", f"{PROBE}</body>"))
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--dump-dom",
    ]
    done = subprocess.run(
        [*command, f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    assert title[1] == f'{{"width":{width},"wide":false,"names":[]}}'
    assert "CONSOLE" not in done.stderr

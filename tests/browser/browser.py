"""A headless browser of this machine, whose page notes every complaint and every request."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTHS = (360, 390, 768, 1280)
SCHEMES = ("light", "dark")


def found() -> str | None:
    """Return where a Chromium lies: as CHROMIUM says, or else on the path."""
    given = os.environ.get("CHROMIUM")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Watched:
    """A page, with what went wrong on it and every address that it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, file: Path) -> None:
        """Open a file, forgetting what an earlier one did."""
        self.complaints.clear()
        self.asked.clear()
        self.page.goto(file.as_uri(), wait_until="load")

    def look(self, width: int, scheme: Any = "light") -> None:
        """Show the page at a width, in light or dark."""
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(color_scheme=scheme)

    def measured(self) -> dict[str, Any]:
        """Return what the page looks like now; see measure.js."""
        found: dict[str, Any] = self.page.evaluate(MEASURE)
        return found


MEASURE = Path(__file__).with_name("measure.js").read_text(encoding="utf-8")


@contextmanager
def watched(executable: str) -> Iterator[Watched]:
    """Start the browser and give a page that is watched."""
    with sync_playwright() as driver:
        # root may not use the sandbox (the pages are ours), and a container's /dev/shm is small
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        started = driver.chromium.launch(executable_path=executable, args=options)
        page = started.new_page()
        seen = Watched(page)
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("requestfailed", lambda asked: seen.complaints.append(f"failed: {asked.url}"))
        page.on("request", lambda asked: seen.asked.append(asked.url))
        yield seen
        started.close()

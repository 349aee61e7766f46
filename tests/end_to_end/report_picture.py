"""Take docs/report.png, the picture in README.md: `python -m tests.end_to_end.report_picture`.

It shows report.html of the sample that `make run` published, as of the day after the last one. It needs a
chromium.
"""

import shutil
import tempfile
from pathlib import Path

import duckdb
from playwright.sync_api import sync_playwright

from publishing import PAGE
from publishing.database import DATABASE
from report.html import write_report
from report.publication import find_database
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.test_report_page import find_browser

PICTURE = ROOT / "docs" / "report.png"
PUBLISHED_AT = "2026-10-14 06:00:00"
ACCOUNT = "acme"
WIDTH, HEIGHT = 1200, 1010


def main() -> None:
    """Write the picture of the page, with the account that has a forecast."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Path(shutil.copy(find_database(), folder / DATABASE))
        database.chmod(0o600)
        with duckdb.connect(str(database)) as connection:
            connection.execute("update focus.publication set published_at = ?", [PUBLISHED_AT])
        write_report(database, folder / PAGE)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser())
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto((folder / PAGE).as_uri())
            page.wait_for_selector("html[data-ready]")
            page.select_option("#account", ACCOUNT)
            page.wait_for_selector(f'.numbers[data-scope="{ACCOUNT}"]')
            page.evaluate("document.activeElement.blur()")
            page.wait_for_timeout(500)
            page.screenshot(path=PICTURE)
            browser.close()


if __name__ == "__main__":
    main()

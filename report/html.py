"""Writes report.html: a publication on one page, which needs no network.

judgement.py has the top of the page, charts.py the charts, rows.py the rows that the page filters, and
templates/ the rest.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from decimal import localcontext
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from loaders.files import move_durably
from publishing import PAGE, lock_publication, make_work_folder, write_protect
from report.bill import Bill, read_bill
from report.charts import build_charts, read_vega
from report.digest import find_heads
from report.judgement import describe_account, describe_anomaly, describe_rules, list_notices, list_scopes
from report.page import describe_state, format_amount, format_change, format_percent
from report.publication import DIGITS, open_publication
from report.rows import pack, show_direction

ANOMALIES_SHOWN = 8  # as sentences; the table has as many rows as ANOMALY_ROWS
ANOMALY_ROWS = 200
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TEMPLATES = Path(__file__).parent / "templates"


def write_report(database: Path, file: Path) -> None:
    """Write the page of a published database. Raises ReportError, OSError and what its libraries raise."""
    with localcontext(prec=DIGITS), open_publication(database) as connection:
        file.write_text(render(read_bill(connection)), encoding="utf-8")


def replace_report(database: Path) -> Path:
    """Write the page beside a published database again, and return its path. Raises as write_report does."""
    with lock_publication(database.parent), make_work_folder(database.parent) as work:
        write_report(database, work / PAGE)
        write_protect(work / PAGE)
        move_durably({work / PAGE: database.with_name(PAGE)})
    return database.with_name(PAGE)


def render(bill: Bill) -> str:
    """Return the page as HTML. Names are data: the template escapes them, and so does its JSON."""
    style = read_template("report.css")
    scripts = [read_vega(), read_template("report.js")]
    return (
        make_environment()
        .get_template("report.html")
        .render(
            bill=bill,
            digest=bill.digest,
            scopes=list_scopes(bill),
            notices=list_notices(bill),
            anomalies=[(head, describe_anomaly(head)) for head in find_heads(bill.anomalies)][:ANOMALY_ROWS],
            shown=ANOMALIES_SHOWN,
            policy=build_policy(style, scripts),
            style=Markup(style),
            scripts=[Markup(script) for script in scripts],
            data=pack(bill),
            charts=build_charts(),
        )
    )


def make_environment() -> jinja2.Environment:
    """Return the environment of the templates, with the formats of the digest."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters |= {
        "amount": format_amount,
        "exact": lambda amount: f"{amount:f}",
        "percent": format_percent,
        "sentence": format_sentence,
    }
    functions = (format_change, describe_account, describe_state, describe_rules)
    environment.globals |= {function.__name__: function for function in functions}
    return environment


def format_sentence(text: str) -> Markup:
    """Escape a text. Its dates do not break at their hyphens, and names do not change its direction."""
    return Markup(DATE.sub(r'<span class="day">\g<0></span>', str(escape(show_direction(text)))))


def read_template(name: str) -> str:
    """Return a file of templates/ that the page contains as it is."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def build_policy(style: str, scripts: Iterable[str]) -> str:
    """Return a Content-Security-Policy without network, in which only the page's own scripts run."""
    allowed = " ".join(hash_source(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {hash_source(style)};"
        " connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def hash_source(text: str) -> str:
    """Return the hash of a script or style as a source of a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

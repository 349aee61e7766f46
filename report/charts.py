"""The charts of report.html as Vega-Lite specifications. The page adds the data and the colours.

Colours are CSS variables, so that one drawing is light, dark or for print.
"""

import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import altair as alt
import vl_convert

BUDGET_HEIGHT = 26  # of a bar; the page multiplies it by their number
GROUPS = 8  # colours of the page, the last one for all others
INK, MUTED, LINE, PAGE = "var(--ink)", "var(--muted)", "var(--line)", "var(--page)"
SNIPPET = "window.vegaEmbed = vegaEmbed;"
Spec = dict[str, Any]
AnyChart: TypeAlias = Any  # methods of altair return unions of all kinds of charts
GROUP_COLOUR = alt.Color(
    "group:N",
    legend=None,
    scale=alt.Scale(domain=list(range(GROUPS)), range=[f"var(--c{group})" for group in range(GROUPS)]),
)


def build_charts() -> dict[str, Spec]:
    """Return the specification of each chart by the id of its element."""
    charts = {
        "cost": draw_cost(),
        "overview": draw_overview(),
        "budgets": draw_budgets(),
        "balances": draw_balances(),
    }
    return {name: style(chart).to_dict() for name, chart in charts.items()}


def style(chart: AnyChart) -> AnyChart:
    """Apply the style of the page. Marks have no ARIA of their own: a table has their values."""
    return chart.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding")).configure(
        background="transparent",
        font="system-ui, sans-serif",
        axis=alt.AxisConfig(
            labelColor=MUTED,
            titleColor=MUTED,
            gridColor=LINE,
            domainColor=LINE,
            tickColor=LINE,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
            aria=False,
        ),
        view=alt.ViewConfig(stroke=None),
        mark=alt.MarkConfig(aria=False),
    )


def list_dates() -> alt.Axis:
    """Return the axis of days."""
    return alt.Axis(
        title=None,
        format="%d %b",
        grid=False,
        labelOverlap=True,
        labelFlush=True,
        labelSeparation=8,
        tickCount=8,
    )


def list_months() -> alt.Axis:
    """Return the axis of months."""
    months = alt.TimeIntervalStep(interval="month", step=1)
    return alt.Axis(
        title=None, format="%b %Y", grid=False, labelOverlap=True, labelSeparation=8, tickCount=months
    )


def draw_cost() -> AnyChart:
    """Draw cost by day in stacked bars, the forecast with its band, and a mark for each anomaly.

    The parameters first and last are the limits of the x axis in milliseconds.
    """
    first, last = alt.param(name="first", value=0), alt.param(name="last", value=1)
    limits: list[Any] = [{"expr": "first"}, {"expr": "last"}]
    x = alt.X("start:T", scale=alt.Scale(type="utc"), axis=list_dates())
    # the layers share the scale, whose domain only one of them may set
    limited = alt.X("start:T", scale=alt.Scale(type="utc", domain=limits), axis=list_dates())
    y = alt.Axis(title=None, format=",~f", tickCount=5, domain=False, ticks=False)
    band = alt.Chart(alt.NamedData("forecast")).mark_area(clip=True, color=MUTED, opacity=0.18)
    expected = alt.Chart(alt.NamedData("forecast")).mark_line(
        clip=True, color=MUTED, strokeDash=[4, 3], strokeWidth=1.5
    )
    bars = alt.Chart(alt.NamedData("cost")).mark_bar(clip=True, stroke=PAGE, strokeWidth=0.6)
    marks = alt.Chart(alt.NamedData("anomalies")).mark_point(
        clip=True, shape="triangle-down", size=55, filled=True, color="var(--mark)", opacity=1, yOffset=-7
    )
    tip = alt.Tooltip("tip:N")
    return (
        alt.layer(
            band.encode(x=limited, y=alt.Y("lower:Q"), y2="upper"),
            bars.encode(x=x, x2="end", y=alt.Y("from:Q", axis=y), y2="to", color=GROUP_COLOUR, tooltip=tip),
            expected.encode(x=x, y="expected:Q"),
            expected.mark_point(clip=True, size=60, opacity=0).encode(x=x, y="expected:Q", tooltip=tip),
            marks.encode(x=x, y="top:Q", tooltip=tip),
        )
        .add_params(first, last)
        .properties(width="container", height=260)
    )


def draw_overview() -> AnyChart:
    """Draw the cost of all days as an area, on which a brush selects the days of the chart above."""
    brush = alt.selection_interval(
        name="brush", encodings=["x"], mark=alt.BrushConfig(fill=INK, fillOpacity=0.12, stroke=MUTED)
    )
    return (
        alt.Chart(alt.NamedData("totals"))
        .mark_area(color=MUTED, opacity=0.45, interpolate="step-after")
        .encode(
            x=alt.X("start:T", scale=alt.Scale(type="utc"), axis=list_months()),
            y=alt.Y("cost:Q", axis=None),
        )
        .add_params(brush)
        .properties(width="container", height=36)
    )


def draw_budgets() -> AnyChart:
    """Draw the share used of each budget, with the forecast and its interval."""
    base = alt.Chart(alt.NamedData("budgets"))
    y = alt.Y(
        "name:N",
        sort=None,
        axis=alt.Axis(title=None, domain=False, ticks=False, labelLimit=150, labelColor=INK),
    )
    x = alt.Axis(title="% of the budget", tickCount=6, domain=False, ticks=False)
    colour = alt.Color(
        "level:N",
        legend=None,
        scale=alt.Scale(domain=["bad", "warn", "good"], range=["var(--bad)", "var(--warn)", "var(--c0)"]),
    )
    tip = alt.Tooltip("tip:N")
    limit = alt.Chart(alt.InlineData(values=[{"limit": 100}])).mark_rule(color=INK, strokeWidth=1)
    return alt.layer(
        base.mark_bar(height=10).encode(
            y=y, x=alt.X("spent:Q", axis=x, scale=alt.Scale(zero=True)), color=colour, tooltip=tip
        ),
        base.mark_rule(strokeWidth=2, color=MUTED).encode(y=y, x="lower:Q", x2="upper:Q", tooltip=tip),
        base.mark_point(filled=True, size=45, color=INK, opacity=1).encode(y=y, x="expected:Q", tooltip=tip),
        limit.encode(x="limit:Q"),
    ).properties(width="container", height=BUDGET_HEIGHT)


def draw_balances() -> AnyChart:
    """Draw what remains of each commitment in percent, and how it continues at the present pace."""
    x = alt.X("start:T", scale=alt.Scale(type="utc"), axis=list_months())
    y = alt.Y(
        "percent:Q",
        scale=alt.Scale(domain=[0, 100]),
        axis=alt.Axis(title="% left", tickCount=5, domain=False, ticks=False),
    )
    tip = alt.Tooltip("tip:N")
    past = alt.Chart(alt.NamedData("balances"))
    ahead = alt.Chart(alt.NamedData("projections"))
    return alt.layer(
        past.mark_line(strokeWidth=2, interpolate="step-after").encode(
            x=x, y=y, color=GROUP_COLOUR, detail="id:N"
        ),
        ahead.mark_line(strokeWidth=1.5, strokeDash=[4, 3]).encode(
            x=x, y=y, color=GROUP_COLOUR, detail="id:N"
        ),
        past.mark_point(size=60, opacity=0).encode(x=x, y=y, tooltip=tip),
    ).properties(width="container", height=200)


def read_vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script.

    vl-convert takes seconds to bundle them, so the script is kept in the cache folder of the user.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    file = cache / "fal_focus" / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError):
        return file.read_text(encoding="utf-8")
    script = vl_convert.javascript_bundle(SNIPPET)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        work = file.with_name(f".{file.name}.{os.getpid()}")
        work.write_text(script, encoding="utf-8")
        work.replace(file)
    return script

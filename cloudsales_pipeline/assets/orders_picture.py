"""Stacked bars, drawn here into the metadata: orders by the hour, pieces by the date. Numbers and our own words alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

COLOURS = {"reserved": "#2f6f4f", "waiting": "#d9a441", "closed": "#8c8c8c"}
TICK_EVERY = 6


def orders_by_hour(hours: Sequence[Mapping[str, object]]) -> str:
    """A bar an hour (oldest first: `hour` as text, a count for each of COLOURS), as markdown with a PNG in it."""
    return stacked_bars(hours, "hour", COLOURS, what="orders", title="orders by hour")


def stacked_bars(rows: Sequence[Mapping[str, object]], label: str, colours: Mapping[str, str], *, what: str, title: str) -> str:
    """A bar for each row, in their order: `label` under it, a part for each of `colours`; as markdown with a PNG in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.4, 2.4), dpi=80, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    bottoms = [0] * len(rows)
    for name, colour in colours.items():
        heights = [int(str(row[name])) for row in rows]
        axes.bar(range(len(rows)), heights, bottom=bottoms, width=0.8, label=name.replace("_", " "), color=colour)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    places = range(0, len(rows), TICK_EVERY)
    axes.set_xticks(list(places), [str(rows[place][label]) for place in places], fontsize=7)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(what)
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, 1.22))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return f"![{title}](data:image/png;base64,{base64.b64encode(png.getvalue()).decode()})"

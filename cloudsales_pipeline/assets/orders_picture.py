"""One picture: orders by the hour they were placed in, drawn here into the metadata. Numbers and our own words alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

COLOURS = {"reserved": "#2f6f4f", "waiting": "#d9a441", "closed": "#8c8c8c"}
TICK_EVERY = 6


def orders_by_hour(hours: Sequence[Mapping[str, object]]) -> str:
    """Stacked bars, one an hour (oldest first: `hour` as text, a count for each of COLOURS), as markdown with a PNG in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.4, 2.4), dpi=80, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    bottoms = [0] * len(hours)
    for name, colour in COLOURS.items():
        heights = [int(str(row[name])) for row in hours]
        axes.bar(range(len(hours)), heights, bottom=bottoms, width=0.8, label=name, color=colour)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    places = range(0, len(hours), TICK_EVERY)
    axes.set_xticks(list(places), [str(hours[place]["hour"]) for place in places], fontsize=7)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("orders")
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, 1.22))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return f"![orders by hour](data:image/png;base64,{base64.b64encode(png.getvalue()).decode()})"

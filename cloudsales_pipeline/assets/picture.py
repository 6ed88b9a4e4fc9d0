"""One picture: the outcomes of the last imports as bars, drawn here into the metadata. Numbers and our own words alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

COLOURS = {
    "linked": "#2f6f4f",
    "created": "#3b78b5",
    "suggested": "#d9a441",
    "conflict": "#b5483b",
    "invalid": "#8a5a83",
    "duplicate": "#8c8c8c",
}


def outcomes_over_time(outcomes: Sequence[str], plans: Sequence[Mapping[str, int]]) -> str:
    """Stacked bars, one for each plan (oldest first, `plan_id` and a count for each outcome), as markdown with a PNG in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.6), dpi=80, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    bottoms = [0] * len(plans)
    for outcome in outcomes:
        heights = [int(plan[outcome]) for plan in plans]
        axes.bar(range(len(plans)), heights, bottom=bottoms, width=0.7, label=outcome, color=COLOURS.get(outcome))
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    axes.set_xticks(range(len(plans)), [str(plan["plan_id"]) for plan in plans], fontsize=7)
    axes.set_xlabel("plan")
    axes.set_ylabel("listings")
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, 1.25))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return f"![outcomes by plan](data:image/png;base64,{base64.b64encode(png.getvalue()).decode()})"

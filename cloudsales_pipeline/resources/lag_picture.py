"""How long changes of stock took to reach a channel, as a picture for metadata: assets and checks show it. Numbers alone.

Written by hand as SVG: a sensor draws it each minute, and matplotlib would be loaded into the code server for it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

WIDTH, HEIGHT, FLOOR, LEFT = 620, 180, 150, 26
INK, BARS, MEDIAN, LATE, BOUND = "#57606a", "#3b78b5", "#2f6f4f", "#d9a441", "#b5483b"


def lag_histogram(counts: Sequence[int], p50: float | None, p99: float | None, objective: float) -> str:
    """Changes by how long they took, on a logarithmic axis of seconds, as markdown with an SVG in it.

    Args:
        counts: of `lag_counts`, by bucket.
        p50, p99, objective: seconds, each drawn as a line.
    """
    from cloudsales_pipeline.stock.pushes import bucket_end

    used = [bucket for bucket, count in enumerate(counts, start=1) if count]
    low = min(0.01, bucket_end(min(used, default=1) - 1), *([p50] if p50 else []))
    high = max(10.0, bucket_end(max(used, default=1)), objective) * 1.1

    def x(seconds: float) -> float:
        share = math.log(max(seconds, low) / low) / math.log(high / low)
        return round(LEFT + share * (WIDTH - 2 * LEFT), 1)

    parts = [_bar(x(bucket_end(bucket - 1)), x(bucket_end(bucket)), counts[bucket - 1] / max(counts)) for bucket in used]
    parts += [_mark(x(second), text) for second, text in SECONDS if low <= second <= high]
    lines = (("p50", p50, MEDIAN, 12), ("p99", p99, LATE, 26), ("objective", objective, BOUND, 40))
    marks = [_line(x(value), f"{name} {value:.3g} s", colour, y) for name, value, colour, y in lines if value is not None]
    parts += [line for line, _ in marks] + [label for _, label in marks]  # labels lie over the lines that they cross
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<path d="M{LEFT} {FLOOR}H{WIDTH - LEFT}" stroke="{INK}"/>{"".join(parts)}</svg>'
    )
    return f"![changes by seconds to the channel](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


SECONDS = (
    *((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s")),
    *((60.0, "1 min"), (600.0, "10 min"), (3600.0, "1 h"), (36000.0, "10 h")),
)


def _bar(left: float, right: float, share: float) -> str:
    height = max(1.5, round(share * (FLOOR - 50), 1))
    return f'<rect x="{left}" y="{FLOOR - height}" width="{round(right - left - 1, 1)}" height="{height}" fill="{BARS}"/>'


def _mark(x: float, text: str) -> str:
    return (
        f'<path d="M{x} {FLOOR}v5" stroke="{INK}"/><text x="{x}" y="{FLOOR + 18}" text-anchor="middle" fill="{INK}">{text}</text>'
    )


def _line(x: float, text: str, colour: str, y: int) -> tuple[str, str]:
    """A dashed line and its label."""
    anchor, beside = ("end", -4) if x > WIDTH * 0.7 else ("start", 4)
    return (
        f'<path d="M{x} {y - 9}V{FLOOR}" stroke="{colour}" stroke-width="1.5" stroke-dasharray="4 2"/>',
        f'<text x="{x + beside}" y="{y}" text-anchor="{anchor}" fill="{colour}" stroke="#ffffff" stroke-width="3"'
        f' paint-order="stroke">{text}</text>',
    )

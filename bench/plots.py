"""Draws the figures of `make bench JSON=...`: seconds and memory against the number of fines, as SVG.

PYTHONPATH=plugins .venv/bin/python -m bench.plots docs/explanation/performance.svg found.json [more.json ...]
"""

import json
import sys
from collections.abc import Iterable, Mapping
from math import log10
from pathlib import Path
from statistics import median
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker

from bench.report import MEGABYTE

SVG = ElementMaker(namespace="http://www.w3.org/2000/svg", nsmap={None: "http://www.w3.org/2000/svg"})
WIDTH, HEIGHT, LEFT, TOP, GAP = 340, 260, 70, 50, 110
COLOURS = ("#1b5e9b", "#c2571a", "#7aa6cf", "#e3a97f")
Points = list[tuple[float, float]]


def main() -> None:
    """Writes the chart."""
    sizes = [size for name in sys.argv[2:] for size in json.loads(Path(name).read_text())["sizes"]]
    sizes.sort(key=lambda size: int(size["fines"]))
    seconds: dict[str, Points] = {}
    memory: dict[str, Points] = {}
    for way in ("export", "import"):
        for size in sizes:
            fines, rounds = size["fines"], size["ways"][way]
            product = [sum(cost["seconds"] for cost in found["product"].values()) for found in rounds]
            seconds.setdefault(way, []).append((fines, median(product)))
            plain = [sum(found["reference"].values()) for found in rounds]
            seconds.setdefault(f"{way}, plain C tools", []).append((fines, median(plain)))
            most = max(cost["memory"] for found in rounds for cost in found["product"].values())
            memory.setdefault(way, []).append((fines, most / MEGABYTE))
    picture = SVG.svg(
        *_chart(0, "Seconds", seconds, logarithmic=True),
        *_chart(WIDTH + GAP, "Peak memory of a task, MB", memory, logarithmic=False),
        width=str(2 * (WIDTH + GAP)), height=str(HEIGHT + TOP + 110),
        style="font: 13px sans-serif; background: white",
    )  # fmt: skip
    Path(sys.argv[1]).write_bytes(etree.tostring(picture, pretty_print=True))


def _chart(shift: float, title: str, lines: Mapping[str, Points], *, logarithmic: bool) -> Iterable[Any]:
    """Yields the elements of one chart: fines on a logarithmic x axis, the values of `lines` on the y axis."""
    every = [point for points in lines.values() for point in points]
    first, last = log10(min(x for x, _ in every)), log10(max(x for x, _ in every))
    top = max(y for _, y in every)
    lowest = min(y for _, y in every)
    bottom, high = (int(log10(lowest) // 1), int(log10(top) // 1) + 1) if logarithmic else (0, top * 1.15)

    def along(x: float) -> float:
        return shift + LEFT + (log10(x) - first) / ((last - first) or 1) * WIDTH

    def up(y: float) -> float:
        part = (log10(y) - bottom) / (high - bottom) if logarithmic else y / high
        return TOP + HEIGHT * (1 - part)

    yield SVG.text(title, x=f"{shift + LEFT}", y=f"{TOP - 20}", **{"font-weight": "bold"})
    for tick in [10.0**power for power in range(bottom, int(high) + 1)] if logarithmic else range(0, int(high), 50):
        yield _line([(shift + LEFT, up(tick)), (shift + LEFT + WIDTH, up(tick))], "#dddddd")
        yield SVG.text(f"{tick:,.6g}", x=f"{shift + LEFT - 8}", y=f"{up(tick) + 4:.1f}", **{"text-anchor": "end"})
    for x in sorted({x for x, _ in every}):
        yield SVG.text(f"{x:,}", x=f"{along(x):.1f}", y=f"{TOP + HEIGHT + 20}", **{"text-anchor": "middle"})
    yield SVG.text("fines", x=f"{shift + LEFT + WIDTH / 2}", y=f"{TOP + HEIGHT + 40}", **{"text-anchor": "middle"})
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number * (1 if logarithmic else 2) // 2 + 2 * (number % 2 if logarithmic else 0)]
        places = [(along(x), up(y)) for x, y in points]
        yield _line(places, colour, width="2.5")
        yield from (SVG.circle(cx=f"{x:.1f}", cy=f"{y:.1f}", r="3.5", fill=colour) for x, y in places)
        column, row = shift + LEFT + 170 * (number % 2), TOP + HEIGHT + 62 + 20 * (number // 2)
        yield _line([(column, row - 4), (column + 22, row - 4)], colour, width="2.5")
        yield SVG.text(name, x=f"{column + 28}", y=f"{row}")


def _line(places: Points, colour: str, width: str = "1") -> Any:  # noqa: ANN401  lxml's builder has no types
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return SVG.polyline(points=points, fill="none", stroke=colour, **{"stroke-width": width})


if __name__ == "__main__":
    main()

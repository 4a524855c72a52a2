"""Draws the flow, docs/images/flow.svg, from the declared assets: a box an asset, its colour the stage, a line what it is made from.

Lines that follow from others are left out: scores need photos too, but by way of their embeddings. docs/generate.py writes the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from clip_pipeline.pipeline.asset import Asset

WIDTH, MARGIN = 800, 14
LEGEND_HEIGHT = 40
BOX_WIDTH, BOX_HEIGHT = 146, 28
COLUMN_GAP, ROW_GAP = 30, 30
LINE_WIDTH = 26
"""The room that a line gets where it passes a row of boxes."""
IN_A_ROW = 4
SWEEPS = 8
COLOURS = ("#2563a8", "#15803d", "#a16207", "#c2410c", "#6d28d9", "#be185d", "#0f766e", "#57534e")
LINE, INK, PAPER = "#94a3b8", "#1e293b", "#ffffff"
FONT = "Helvetica, Arial, sans-serif"

Parents = Mapping[str, Sequence[str]]


def flow_picture(assets: Sequence[Asset]) -> str:
    """The flow as SVG, 800 wide."""
    stages = list(dict.fromkeys(asset.stage for asset in assets))
    colours = {asset.name: COLOURS[stages.index(asset.stage) % len(COLOURS)] for asset in assets}
    parents = _nearest({asset.name: asset.after for asset in assets})
    rows, links = _rows(parents)
    centres = _centres(rows, links)
    tops = {
        name: MARGIN + LEGEND_HEIGHT + row * (BOX_HEIGHT + ROW_GAP) for row, names in enumerate(rows) for name in names
    }
    height = max(tops.values()) + BOX_HEIGHT + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="{FONT}">',
        "<title>The assets and what each is made from</title>",
        f'<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" rx="10" fill="{PAPER}"/>',
    ]
    each = (WIDTH - 2 * MARGIN) / len(stages)
    for number, stage in enumerate(stages):
        x, colour = MARGIN + number * each + 6, COLOURS[number % len(COLOURS)]
        lines.append(f'<rect x="{x:g}" y="{MARGIN + 2}" width="12" height="12" rx="3" fill="{colour}"/>')
        lines.append(
            f'<text x="{x + 18:g}" y="{MARGIN + 13}" font-size="14" font-weight="bold" fill="{colour}">{escape(stage)}</text>'
        )
    lines += [_line(start, end, centres, tops, parents) for start, end in links]
    lines += [_box(name, centres[name], tops[name], colours[name]) for name in parents]
    return "\n".join([*lines, "</svg>", ""])


def _nearest(after: Parents) -> dict[str, list[str]]:
    """Of each asset what it is made from, without what that is made from itself."""

    def upstream(name: str) -> set[str]:
        return {above for parent in after[name] for above in (parent, *upstream(parent))}

    return {
        name: [parent for parent in names if not any(parent in upstream(other) for other in names)]
        for name, names in after.items()
    }


def _rows(parents: Parents) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """(names row by row, links from one row to the next or within one). A chain shares a row; where a line passes a row, there is
    a name for it, `start>end>row`.
    """
    depth: dict[str, int] = {}
    for name, names in parents.items():
        depth[name] = 1 + max((depth[parent] for parent in names), default=-1)
    layers = [[name for name in parents if depth[name] == level] for level in range(max(depth.values()) + 1)]
    rows: list[list[str]] = []
    chain = True  # so far one asset after the other
    for layer in layers:
        chain = chain and len(layer) == 1
        if chain and rows and len(rows[-1]) < IN_A_ROW:
            rows[-1] += layer
        else:
            rows.append(list(layer))
    row_of = {name: row for row, names in enumerate(rows) for name in names}
    links = []
    for name, names in parents.items():
        for parent in names:
            before = parent
            for row in range(row_of[parent] + 1, row_of[name]):
                passing = f"{parent}>{name}>{row}"
                rows[row].append(passing)
                links.append((before, passing))
                before = passing
            links.append((before, name))
    return rows, links


def _centres(rows: list[list[str]], links: Sequence[tuple[str, str]]) -> dict[str, float]:
    """The x of each name's middle. Rows are put in the order of what they are linked with, up and down, some times over."""
    centres: dict[str, float] = {}
    for row in rows:
        centres |= _spread(row)
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            if any(start in row and end in row for start, end in links):
                continue  # a chain keeps its order
            wanted = {}
            for name in row:
                near = [start for start, end in links if end == name] + [end for start, end in links if start == name]
                wanted[name] = sum(centres[other] for other in near) / len(near) if near else centres[name]
            row.sort(key=lambda name: wanted[name])
            centres |= _spread(row)
    return centres


def _spread(row: Sequence[str]) -> dict[str, float]:
    widths = [_width(name) for name in row]
    gap = COLUMN_GAP if sum(widths) + COLUMN_GAP * (len(row) - 1) <= WIDTH - 2 * MARGIN else (WIDTH - 2 * MARGIN - sum(widths)) / (len(row) - 1)  # fmt: skip
    x = (WIDTH - sum(widths) - gap * (len(row) - 1)) / 2
    centres = {}
    for name, width in zip(row, widths, strict=True):
        centres[name] = x + width / 2
        x += width + gap
    return centres


def _width(name: str) -> int:
    return LINE_WIDTH if ">" in name else BOX_WIDTH


def _line(start: str, end: str, centres: Mapping[str, float], tops: Mapping[str, float], parents: Parents) -> str:
    tip = ' marker-end="url(#end)"' if end in parents else ""
    x0, x1, y0, y1 = centres[start], centres[end], tops[start], tops[end]
    if y0 == y1:  # along a chain
        path = f"M{x0 + BOX_WIDTH / 2:g} {y0 + BOX_HEIGHT / 2:g}H{x1 - BOX_WIDTH / 2 - 1:g}"
    else:
        y0 += BOX_HEIGHT
        y1 -= 1 if tip else 0
        middle = (y0 + y1) / 2
        path = f"M{x0:g} {y0:g}C{x0:g} {middle:g} {x1:g} {middle:g} {x1:g} {y1:g}"
        if not tip:
            path += f"V{y1 + BOX_HEIGHT:g}"
    return f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.6"{tip}/>'


def _box(name: str, centre: float, top: float, colour: str) -> str:
    shape = f'x="{centre - BOX_WIDTH / 2:g}" y="{top:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"'
    words = f'<text x="{centre:g}" y="{top + BOX_HEIGHT / 2 + 4.5:g}" font-size="13" text-anchor="middle" fill="{INK}">{escape(name)}</text>'
    return f'<rect {shape} fill="{PAPER}"/><rect {shape} fill="{colour}" fill-opacity="0.12" stroke="{colour}" stroke-width="1.4"/>{words}'

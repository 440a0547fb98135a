#!/usr/bin/env python3
"""Draws what run.py has measured: plots.py JSON FOLDER

One SVG for each question, with a panel for each group: horizontal bars, the best on top, libhijack's in colour. They
follow the reader's light or dark scheme."""

import html
import json
import math
import pathlib
import sys
from dataclasses import dataclass
from typing import Callable

PANELS = {"sse": "SSE", "websocket": "WebSocket", "sse-tls": "SSE over TLS", "websocket-tls": "WebSocket over TLS"}
WIDTH, MARGIN, GAP = 960, 20, 30
LABEL, VALUE = 142, 100  # of a panel's width, for names and for numbers
BAR, ROW, HEAD, TITLE = 14, 23, 34, 62
LETTER = 6.6  # a letter of a label

STYLE = """
.page { fill: #ffffff } .title { fill: #1f2328; font-size: 19px; font-weight: 600 }
.note, .panel, .label, .value { fill: #59636e } .panel { font-size: 14px; font-weight: 600; fill: #1f2328 }
.note { font-size: 13px } .label, .value { font-size: 12.5px } .bar { fill: #b6bfc9 } .spread { stroke: #59636e }
.reference { stroke: #59636e; stroke-dasharray: 2 3 }
.ours.bar { fill: #0969da } .ours.label, .ours.value { fill: #0550ae; font-weight: 600 }
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } .title, .panel { fill: #f0f6fc } .note, .label, .value { fill: #9198a1 }
.bar { fill: #4b535d } .spread, .reference { stroke: #9198a1 }
.ours.bar { fill: #4493f8 } .ours.label, .ours.value { fill: #79c0ff }
}
"""


@dataclass(frozen=True)
class Plot:
    file: str
    title: str
    note: str
    more_is_better: bool
    value: Callable[[dict], dict]  # a result's median, least and most
    text: Callable[[dict], str]
    reference: float = 0.0  # where a line is drawn through a panel
    clients: str = "fanned"  # which of a result's counts the panel names
    tls: bool = True  # whether it has panels for TLS


def two_digits(it):
    return f"{it['median']:.2f}" if it["median"] >= 0.1 else f"{it['median']:.3f}"


def size(it):
    count = it["median"]
    return f"{count:,.0f} B" if count < 1000 else f"{count / 1000:,.1f} kB"


def both(it):
    return f"{it['median']:.2f} / {it['most']:.2f}"


def last(result):
    """p50 and p99, each by the plain loop's."""
    it = result["last"]
    p50, p99 = (it[key] / it["plain"][key] for key in ("p50", "p99"))
    return {"median": p50, "least": p50, "most": p99}


PLOTS = [
    Plot("peers-fanout.svg", "One message to all clients",
         "Speed until the last client has it, by that of a plain C loop of send() (1.00). Longer is better.", True,
         lambda result: result["single"]["rate_ratio"], two_digits, reference=1.0),
    Plot("peers-burst.svg", "Sixteen messages to all clients, published together",
         "Speed until the last client has all, by that of a plain C loop of send() (1.00). Longer is better.", True,
         lambda result: result["burst"]["rate_ratio"], two_digits, reference=1.0),
    Plot("peers-cpu.svg", "Processor time for a million deliveries",
         "Of the server's processes, user and system. Shorter is better.", False,
         lambda result: result["single"]["cpu"], lambda it: f"{it['median']:.1f} s"),
    Plot("peers-memory.svg", "Memory of an idle connection",
         "Growth of the server's processes by the connection, without the kernel's part. Shorter is better.", False,
         lambda result: result["memory"]["bytes"], size, clients="most"),
    Plot("peers-latency.svg", "The last client, one message a second",
         "Time until it has the message, p50 (bar) and p99 (line), by the plain loop's (1.00). Shorter is better.",
         False, last, both, reference=1.0),
    Plot("peers-accept.svg", "Connections accepted and held",
         "Speed from connect until the answer's head has come, by the plain loop's (1.00). Longer is better.", True,
         lambda result: result["accept"]["ratio"], two_digits, reference=1.0, tls=False),  # handshakes hide the rest
]


def rows_of(plot, results):
    rows = [(name, plot.value(it), it["ours"]) for name, it in results.items() if "trouble" not in it]
    return sorted(rows, key=lambda row: row[1]["median"], reverse=plot.more_is_better)


def panel(plot, name, rows, left, top, width):
    """Its bars have a scale of their own; a spread that goes beyond the panel is cut."""
    scale = (width - LABEL - VALUE) / max([row[1]["median"] for row in rows] + [plot.reference, 1e-9])
    parts = [f'<text class="panel" x="{left}" y="{top + 14}">{html.escape(name)}</text>']
    if plot.reference:
        x = left + LABEL + plot.reference * scale
        parts.append(f'<line class="reference" x1="{x:.1f}" x2="{x:.1f}" y1="{top + HEAD - 12}" '
                     f'y2="{top + HEAD - 12 + ROW * len(rows)}"/>')
    for at, (label, it, ours) in enumerate(rows):
        y, x = top + HEAD - 8 + at * ROW, left + LABEL
        kind = "ours " if ours else ""
        long = max(1.5, it["median"] * scale)
        text = plot.text(it)
        room = width - LABEL - 8 - LETTER * len(text)
        ends = [min(max(it[key], 0) * scale, room) for key in ("least", "most")]
        number = x + max(long, ends[1]) + 6
        label = html.escape(label)
        parts += [f'<text class="{kind}label" x="{x - 8}" y="{y + 11.5:.1f}" text-anchor="end">{label}</text>',
                  f'<rect class="{kind}bar" x="{x}" y="{y}" width="{long:.1f}" height="{BAR}" rx="2"/>']
        if ends[1] - ends[0] > 1:
            parts.append(f'<line class="spread" x1="{x + ends[0]:.1f}" x2="{x + ends[1]:.1f}" y1="{y + BAR / 2}" '
                         f'y2="{y + BAR / 2}"/>')
        parts.append(f'<text class="{kind}value" x="{number:.1f}" y="{y + 11.5:.1f}">{text}</text>')
    return parts


def svg(plot, data):
    """None if there is nothing to be drawn."""
    groups = {key: rows_of(plot, data["results"].get(key, {})) for key in PANELS if plot.tls or "tls" not in key}
    shown = [key for key, rows in groups.items() if rows]
    if not shown:
        return None
    columns = min(2, len(shown))
    width = (WIDTH - 2 * MARGIN - GAP * (columns - 1)) / columns
    parts, top = [], MARGIN + TITLE
    for begin in range(0, len(shown), columns):
        line = shown[begin:begin + columns]
        for column, key in enumerate(line):
            counts = next(it["counts"] for it in data["results"][key].values() if "counts" in it)
            name = f"{PANELS[key]}, {counts[plot.clients]:,} clients"
            parts += panel(plot, name, groups[key], MARGIN + column * (width + GAP), top, width)
        top += HEAD + ROW * max(len(groups[key]) for key in line) + 12
    height = math.ceil(top)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">
<title>{html.escape(plot.title)}</title>
<desc>{html.escape(plot.note)}</desc>
<style>{STYLE}</style>
<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>
<text class="title" x="{MARGIN}" y="{MARGIN + 18}">{html.escape(plot.title)}</text>
<text class="note" x="{MARGIN}" y="{MARGIN + 40}">{html.escape(plot.note)}</text>
{chr(10).join(parts)}
</svg>
"""


def draw(data, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for plot in PLOTS:
        text = svg(plot, data)
        if text is not None:
            (folder / plot.file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    draw(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2])

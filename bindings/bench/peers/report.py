"""What run.py has measured, as Markdown."""

NAMES = {"sse": "Server-Sent Events", "websocket": "WebSocket", "sse-tls": "Server-Sent Events over TLS",
         "websocket-tls": "WebSocket over TLS"}


def ratio(it):
    return f"{it['median']:.2f} ({it['least']:.2f} to {it['most']:.2f})"


def number(value):
    """With about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def last_client(it):
    ratios = " / ".join(f"{it[key] / it['plain'][key]:.2f}" for key in ("p50", "p99"))
    return f"{number(it['p50'])} / {number(it['p99'])} ms, {ratios}"


def row(name, it):
    return [name, it["version"], ratio(it["single"]["rate_ratio"]), ratio(it["burst"]["rate_ratio"]),
            f"{number(it['single']['cpu']['median'])} s, {ratio(it['single']['cpu_ratio'])}",
            last_client(it["last"]),
            f"{it['accept']['rate']['median']:,.0f}, {ratio(it['accept']['ratio'])}",
            f"{it['memory']['bytes']['median']:,.0f}", f"{it['single']['load']['median']:.2f}"]


def table(rows):
    heading, *rest = [[str(cell) for cell in cells] for cells in rows]
    lines = [heading, ["---"] * len(heading), *rest]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def trouble(it):
    """Its first sentence; what the server printed went to the terminal."""
    return it["trouble"].splitlines()[0].partition("; it printed")[0]


def group_table(results):
    measured = {name: it for name, it in results.items() if "trouble" not in it}
    counts = next(iter(measured.values()))["counts"] if measured else {"few": 0, "fanned": 0, "most": 0}
    ordered = sorted(measured.items(), key=lambda item: -item[1]["single"]["rate_ratio"]["median"])
    heading = ["", "version", f"one message to {counts['fanned']:,}", "burst of 16", "CPU for a million, ratio",
               "last client at 1 Hz, p50 / p99, ratios", "accepted a second, ratio",
               f"bytes a connection, {counts['few']:,} to {counts['most']:,}", "clients' load"]
    lines = [table([heading, *(row(name, it) for name, it in ordered)])]
    lines += [f"\n{name} is left out: {trouble(it)}" for name, it in results.items() if "trouble" in it]
    return "\n".join(lines)


def slow_row(name, it):
    if "trouble" in it:
        return [name, f"left out: {trouble(it)}", "", ""]
    stalled = f"after {it['stalled_after']} messages" if it["stalled_after"] else "never"
    gap = f"{it['gap_ms']:.0f} ms" if not it["stalled_after"] else "for good"
    return [name, stalled, gap, f"{it['waiting']:,.0f} of {it['clients']:,}"]


def tables(data):
    machine = ", ".join(f"{key} {value}" for key, value in data["machine"].items())
    lines = [f"{data['date']}; {machine}", ""]
    for key, name in NAMES.items():
        if data["results"].get(key):
            lines += [f"{name}", "", group_table(data["results"][key]), ""]
    if data["results"].get("slow"):
        heading = ["one client never reads", "the others stop getting messages", "longest gap", "clients without"]
        lines += [table([heading, *(slow_row(name, it) for name, it in data["results"]["slow"].items())]), ""]
    return "\n".join(lines)


def left_out_lines(data):
    return "\n".join(f"{name} is left out; install {what}" for name, what in data["left_out"].items())

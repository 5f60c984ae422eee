"""The figures as SVG: bars with their numbers beside them. Written by hand, so that nothing need be installed."""

from xml.sax.saxutils import escape

LEFT, WIDTH, BAR, GAP, TOP = 190, 520, 18, 10, 56
COLOURS = ("#3b6ea5", "#9dbfe0")


def bars(title, rows, legend=(), form="{:.1f}", mark=None):
    """rows: [(name, [parts of the bar])]; `mark` is a value that gets a line of its own, such as 1.00."""
    longest = max([sum(parts) for _, parts in rows] + [mark or 0]) or 1
    height = TOP + len(rows) * (BAR + GAP) + 16
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
    ]
    for place, word in enumerate(legend):
        x = LEFT + place * 110
        out.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{COLOURS[place]}"/>')
        out.append(f'<text x="{x + 18}" y="42">{escape(word)}</text>')
    for place, (name, parts) in enumerate(rows):
        y, x = TOP + place * (BAR + GAP), float(LEFT)
        out.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        for colour, part in zip(COLOURS, parts):
            width = WIDTH * part / longest
            out.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
            x += width
        out.append(f'<text x="{x + 6:.1f}" y="{y + 13}">{form.format(sum(parts))}</text>')
    if mark:
        x = LEFT + WIDTH * mark / longest
        out.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 12}" stroke="#b33" stroke-dasharray="4 3"/>')
    return "\n".join([*out, "</svg>", ""])


def write(result, folder):
    """Three plots a scene. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []

    def plot(scene, kind, rows, title, **how):
        if rows:
            written.append(folder / f"{scene.replace(', ', '-').replace(' ', '-')}-{kind}.svg")
            written[-1].write_text(bars(f"{scene}: {title}", rows, **how))

    for scene, contenders in result.items():
        timed = [(name, row) for name, row in contenders.items() if row.get("cpu_us")]
        # Node's bars would leave nothing of the others to see.
        close = [(name, row) for name, row in timed if not name.startswith("Express")]
        plot(scene, "cpu", [(name, [row["user_us"], row["system_us"]]) for name, row in close],
             "CPU of the proxy, µs a request", legend=("user", "system"))
        plot(scene, "ratio", [(name, [row["x_haproxy"]]) for name, row in timed if "x_haproxy" in row],
             "CPU a request, × HAProxy", form="{:.2f}", mark=1.0)
        plot(scene, "latency", [(name, [row["p50_us"], row["p99_us"] - row["p50_us"]]) for name, row in contenders.items()],
             "latency, µs (p99 at the end of the bar)", legend=("p50", "p99"), form="{:.0f}")
    return written

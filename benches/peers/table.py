"""Figures of rounds into medians, ratios within a round, and an aligned table."""

from contenders import BARE, PEER
from place import median


def summary(rounds):
    """rounds: [{scene: {contender: figures}}] → {scene: {contender: medians and ratios}}"""
    result = {}
    for scene in rounds[0]:
        rows = result[scene] = {}
        for name in rounds[0][scene]:
            runs = [one[scene][name] for one in rounds]
            row = rows[name] = {key: median([run[key] for run in runs]) for key in runs[0]}
            for label, other in (("x_haproxy", PEER), ("x_bare", BARE)):
                pairs = [(one[scene][name], one[scene].get(other)) for one in rounds]
                ratios = [mine["cpu_us"] / its["cpu_us"] for mine, its in pairs if its and its.get("cpu_us") and "cpu_us" in mine]
                if ratios:
                    row[label] = median(ratios)
                    row[f"{label}_span"] = [min(ratios), max(ratios)]
    return result


COLUMNS = [
    ("CPU µs", "cpu_us", "{:.1f}"), ("user", "user_us", "{:.1f}"), ("system", "system_us", "{:.1f}"),
    ("× HAProxy", "x_haproxy", "{:.2f}"), ("× bare", "x_bare", "{:.2f}"), ("requests/s", "per_second", "{:.0f}"),
    ("p50 µs", "p50_us", "{:.0f}"), ("p99 µs", "p99_us", "{:.0f}"), ("RSS KiB", "rss_kib", "{:.0f}"),
]


def text(result):
    """A block of lines for every scene."""
    blocks = []
    for scene, rows in result.items():
        lines = [[name, *(form.format(row[key]) if row.get(key) is not None else "-" for _, key, form in COLUMNS)]
                 for name, row in rows.items()]
        blocks.append(aligned([[scene, *(title for title, _, _ in COLUMNS)], *lines]))
    return "\n\n".join(blocks)


def aligned(lines):
    """The first column to the left, the others to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(zip(line, widths)))
        for line in lines)

#!/usr/bin/env python3
"""Turns results of run.py into a Markdown table and a picture beside them.

    python3 benchmarks/python/report.py benchmarks/results/NAME.json    # writes NAME.md and NAME.svg
"""

import argparse
import json
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, LABEL, BAR, GAP = 960, 330, 16, 26  # of the picture, in pixels
OURS, PEER = "#2a6fb0", "#b8b8b8"


def seconds(value):
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def is_ours(name):
    return name.split()[0] in ("optim", "unclipped")


def heading(environment):
    names = {"driver": "driver", "torch": "torch", "cuda": "CUDA", "optim": "Optim", "threads": "threads:"}
    parts = [environment["device"]] + [f"{title} {environment[key]}" for key, title in names.items() if environment[key]]
    changed = " with changes" if environment["changed"] else ""
    return f"{', '.join(parts)}; commit {environment['commit']}{changed}; {environment['date']}"


def figure(check):
    if check["value"] is None:
        return f"{check['what']}: not measured (must be {check['bound']})"
    met = "reached" if check["met"] else "**missed**"
    value = seconds(check["value"]) if check["what"].startswith("seconds") else f"{check['value']:.3g}"
    return f"{check['what']}: {value} (must be {check['bound']}: {met})"


def table(results):
    lines = [
        "<!-- Written by benchmarks/python/report.py; do not edit. -->",
        "",
        heading(results["environment"]),
        "",
        "Predicted is the bytes a step must move over the bandwidth measured between its samples. Times are medians, with the",
        "tenth of the samples at either end cut off in brackets.",
        "",
        "| case | predicted | measured | must reach |",
        "|---|---|---|---|",
    ]
    for case in results["cases"]:
        predicted = "<br>".join(f"{name}: {seconds(value)}" for name, value in case["predicted_seconds"].items()) or "-"
        times = []
        for c in case["candidates"]:
            s = c.get("seconds")
            spread = f"{seconds(s['median'])} ({seconds(s['low'])} to {seconds(s['high'])}; {s['samples']})" if s else c["failure"]
            times.append(f"{c['name']}: {spread}")
        checks = [figure(c) for c in case["checks"]] + [f"note: {note}" for note in case["notes"]]
        if case["launches"]:
            checks.append(f"launches: {case['launches']}")
        if case.get("residuals"):
            checks.append("residuals: " + ", ".join(f"{name} {value:.2g}" for name, value in case["residuals"].items()))
        what = f"{case['what']}<br>{case['bandwidth'] / 1e9:.1f} GB/s"
        lines.append(f"| {what} | {predicted} | {'<br>'.join(times)} | {'<br>'.join(checks) or '-'} |")
    return "\n".join(lines) + "\n"


def bars(case):
    """Names and medians of what a case has measured, and of the prediction."""
    found = [(c["name"], c["seconds"]["median"]) for c in case["candidates"] if "seconds" in c]
    predicted = case["predicted_seconds"].get("optim")
    return found, predicted


def picture(results):
    """Bars of the times, the prediction as a line; one block, with a scale of its own, for each case."""
    body, y = [], 60
    for case in results["cases"]:
        found, predicted = bars(case)
        values = [value for _, value in found] + ([predicted] if predicted else [])
        scale = (WIDTH - LABEL - 110) / max(values)

        def x(value, scale=scale):
            return LABEL + scale * value

        body.append(f'<text x="16" y="{y}" font-weight="bold">{escape(case["what"])}</text>')
        top = y + 8
        for name, value in found:
            y += GAP - 4
            color = OURS if is_ours(name) else PEER
            body.append(f'<text x="{LABEL - 8}" y="{y + 2}" text-anchor="end">{escape(name)}</text>')
            body.append(f'<rect x="{LABEL}" y="{y - 11}" width="{max(x(value) - LABEL, 1):.1f}" height="{BAR}" fill="{color}"/>')
            body.append(f'<text x="{max(x(value), x(predicted or 0)) + 6:.1f}" y="{y + 2}">{seconds(value)}</text>')
        if predicted:
            body.append(
                f'<line x1="{x(predicted):.1f}" x2="{x(predicted):.1f}" y1="{top}" y2="{y + 8}" stroke="#c0392b" '
                'stroke-width="2" stroke-dasharray="4 3"/>'
            )
        y += GAP + 14
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{y}" fill="white"/>',
        f'<text x="16" y="24">{escape(heading(results["environment"]))}</text>',
        '<text x="16" y="40" fill="#555">Time of a step, each case on a scale of its own; '
        "dashed: bytes over measured bandwidth</text>",
    ]
    return "\n".join(head + body + ["</svg>"]) + "\n"


def main(given=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path)
    for path in parser.parse_args(given).results:
        results = json.loads(path.read_text())
        path.with_suffix(".md").write_text(table(results))
        path.with_suffix(".svg").write_text(picture(results))


if __name__ == "__main__":
    main()

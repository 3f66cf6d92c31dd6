"""What was measured, as a table for people, one in Markdown, and JSON with every sample."""
import json
import os
import platform
import time

from sides.stats import show

HEAD = ("what", "side", "median", "p10 – p90", "n", "Godwit ÷ it", "must reach")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{models[0]}, " if models else ""
    cores = os.cpu_count()
    return f"{processor}{cores} processors, Linux {platform.release()}"


def rows(comparisons):
    """One a series; a comparison's first row also says whether its mark was reached."""
    for comparison in comparisons:
        ours = comparison.series[0].side.startswith("Godwit")
        for index, series in enumerate(comparison.series):
            low, high = series.spread
            unit = series.unit
            yield (
                comparison.what if index == 0 else "",
                series.side,
                f"{show(series.median, unit)} {unit}",
                f"{show(low, unit)} – {show(high, unit)}",
                str(len(series.samples)),
                f"{comparison.ratio(series):.2f}" if ours and index > 0 else "",
                verdict(comparison) if index == 0 else "",
            )


def verdict(comparison):
    mark = comparison.mark
    if not mark or (mark.peer and mark.peer not in [peer.side for peer in comparison.series]):
        return ""
    return f"{mark}: {'reached' if mark.reached(comparison) else 'MISSED'}"


def text_table(comparisons):
    table = [HEAD, *rows(comparisons)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
    numbers = (2, 3, 4, 5)
    lines = []
    for row in table:
        if row[0] and row is not HEAD:
            lines.append("")
        cells = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(comparisons, run):
    lines = [
        f"| {' | '.join(HEAD)} |",
        "|---|---|--:|--:|--:|--:|---|",
        *(f"| {' | '.join(row)} |" for row in rows(comparisons)),
        "",
        *(comparison.note for comparison in comparisons if comparison.note),
        f"{run['date']}, {run['machine']}; load at the beginning {run['load']:.2f}.",
        *(f"Not measured: {what} ({why})." for what, why in run["left_out"]),
    ]
    return "\n".join(lines) + "\n"


def as_json(comparisons, run):
    measured = [
        {
            "what": comparison.what,
            "note": comparison.note,
            "mark": str(comparison.mark) if comparison.mark else None,
            "reached": verdict(comparison).endswith(": reached") if verdict(comparison) else None,
            "series": [
                {
                    "side": series.side,
                    "unit": series.unit,
                    "median": series.median,
                    "p10": series.spread[0],
                    "p90": series.spread[1],
                    "samples": series.samples,
                }
                for series in comparison.series
            ],
        }
        for comparison in comparisons
    ]
    return json.dumps({**run, "measured": measured}, indent=1) + "\n"


def text_notes(comparisons, run):
    lines = [comparison.note for comparison in comparisons if comparison.note]
    lines.append(f"{run['machine']}; load at the beginning {run['load']:.2f}")
    lines += [f"Not measured: {what} ({why})" for what, why in run["left_out"]]
    return "\n".join(lines)


def about_this_run(left_out):
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "load": os.getloadavg()[0],
        "left_out": left_out,
    }

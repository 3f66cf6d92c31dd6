"""What was measured, as a table for people, one in Markdown, and JSON with every sample."""
import json
import os
import platform
import textwrap
import time

from sides.stats import curve, show

HEAD = ("what", "side", "median", "p10 – p90", "n", "Godwit ÷ it", "must reach")
# A published series with more samples than these is kept as its curve (stats.py).
MOST_SAMPLES = 250
COLUMNS = 100  # of text in Markdown


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{models[0]}, " if models else ""
    cores = os.cpu_count()
    return f"{processor}{cores} processors, Linux {platform.release()}"


def rows(comparisons):
    """One a series; a comparison's first row also says whether its marks were reached."""
    for comparison in comparisons:
        ours = comparison.series[0].side.startswith("Godwit")
        for index, series in enumerate(comparison.series):
            low, high = series.spread
            unit = series.unit
            yield (
                comparison.what if index == 0 else "",
                series.side,
                f"{show(series.median, unit)} {unit}".strip(),
                f"{show(low, unit)} – {show(high, unit)}",
                str(len(series.samples)),
                f"{comparison.ratio(series):.2f}" if ours and index > 0 else "",
                verdict(comparison) if index == 0 else "",
            )


def verdict(comparison):
    return "; ".join(
        f"{mark}: {'reached' if reached else 'MISSED'}" for mark, reached in comparison.verdicts()
    )


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


def parts_of(comparisons):
    """The comparisons of each part, in the order in which they were measured."""
    parts = {}
    for comparison in comparisons:
        parts.setdefault(comparison.part, []).append(comparison)
    return parts


def markdown(comparisons, run):
    lines = [f"# Measured {run['date']}", ""]
    for line in about(run):
        lines += [*textwrap.wrap(line, COLUMNS), ""]
    for part, members in parts_of(comparisons).items():
        lines += [
            f"## {part}",
            "",
            f"| {' | '.join(HEAD)} |",
            "|---|---|--:|--:|--:|--:|---|",
            *(f"| {' | '.join(row)} |" for row in rows(members)),
            "",
        ]
        for note in notes_of(members):
            lines += [*textwrap.wrap(note, COLUMNS), ""]
    return "\n".join(lines)


def notes_of(comparisons):
    return list(dict.fromkeys(part.note for part in comparisons if part.note))


def about(run):
    """Where, how, and what is missing: a line each."""
    lines = [f"`{run['command']}` on {run['machine']}; load at the beginning {run['load']:.2f}."]
    if run["seconds"]:
        took = ", ".join(f"{part} {seconds:.0f}" for part, seconds in run["seconds"].items())
        minutes = sum(run["seconds"].values()) / 60
        lines.append(f"It took {minutes:.0f} minutes; in seconds: {took}.")
    if "--quick" in run["command"]:
        lines.append("Of a quick run: it says that all of it works, and little of how fast it is.")
    if run["load"] > 1:
        lines.append("The machine had other things to do: the figures are worth little.")
    lines += [f"Not measured: {what} ({why})." for what, why in run["left_out"]]
    return lines


def as_json(comparisons, run, compact=False):
    measured = [
        {
            "part": comparison.part,
            "what": comparison.what,
            "kind": comparison.kind,
            "at": comparison.at,
            "note": comparison.note,
            "marks": [
                {"mark": str(mark), "bound": mark.bound(comparison), "reached": reached}
                for mark, reached in comparison.verdicts()
            ],
            "series": [series_as_json(series, compact) for series in comparison.series],
        }
        for comparison in comparisons
    ]
    whole = {**run, "measured": measured}
    return (packed(whole) if compact else json.dumps(whole, indent=1)) + "\n"


def series_as_json(series, compact):
    kept = {
        "side": series.side,
        "unit": series.unit,
        "n": len(series.samples),
        "median": series.median,
        "p10": series.spread[0],
        "p90": series.spread[1],
    }
    if compact and len(series.samples) > MOST_SAMPLES:
        return kept | {"curve": curve(series.samples)}
    return kept | {"samples": series.samples}


def packed(value):
    """JSON of four digits that count, a line a comparison, so that a repository can keep it."""
    measured = [json.dumps(four_digits(part), ensure_ascii=False) for part in value["measured"]]
    head = json.dumps(value | {"measured": None}, indent=1, ensure_ascii=False)
    return head.replace('"measured": null', '"measured": [\n' + ",\n".join(measured) + "\n]")


def four_digits(value):
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list):
        return [four_digits(part) for part in value]
    if isinstance(value, dict):
        return {key: four_digits(part) for key, part in value.items()}
    return value


def text_notes(comparisons, run):
    return "\n".join([*notes_of(comparisons), *about(run)])


def about_this_run(left_out, command):
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "command": command,
        "load": os.getloadavg()[0],
        "seconds": {},
        "left_out": left_out,
    }

"""The plots of docs/bench/, each from the figures of one run (results.json).

Each function draws one and returns it, or None if the run has not measured what it shows.
"""
import json
import os

from sides.plot_style import (INK, PALE, bars, colour_of, figure, log_axis, plain, save, settle)
from sides.stats import curve


SHORTER = "Shorter is better. Bars: medians; lines: first to last decile."


class Run:
    def __init__(self, measured):
        self.all = measured["measured"]
        self.source = f"{measured['date']} · {measured['command']} · {measured['machine']}"

    def some(self, part, kind=None):
        return [one for one in self.all
                if one["part"] == part and (kind is None or one["kind"] == kind)]

    def called(self, what):
        return next((one for one in self.all if one["what"] == what), None)


def series_of(comparison, side):
    return next((one for one in comparison["series"] if one["side"] == side), None)


def curve_of(series):
    """Values and shares of a series, for a plot of shares."""
    pairs = series.get("curve") or curve(series["samples"])
    return [value for _, value in pairs], [100 * share for share, _ in pairs]


def greeter(run):
    """Suspend and resume beside Docker and CRIU."""
    panels = [(title, run.called(f"{what}, Python greeter"))
              for title, what in (("Putting away", "suspend"), ("Bringing back", "resume"))]
    panels = [(title, one) for title, one in panels if one]
    if not panels:
        return None
    made, axes = figure("Putting a small Python function away and bringing it back",
                        SHORTER, run.source, len(panels), (11, 3.6))
    for axis, (title, one) in zip(axes, panels):
        bars(axis, one["series"], "ms")
        axis.set_title(title)
    settle(made)
    return made


def heaps(run):
    """Ways back, and the way there, over the size of the heap."""
    kinds = ("first response", "all of its memory there", "suspend, until its memory is free")
    titles = ("Back: to its first answer", "Back: to all of its memory", "Away: to free memory")
    if not run.some("heaps", kinds[0]):
        return None
    made, axes = figure("A function's heap, from 1 MiB to 1 GiB",
                        "Lower is better. Dots: medians; lines: first to last decile. "
                        "Both axes are logarithmic.", run.source, 3, (12, 4.4), sharey=True)
    for axis, kind, title in zip(axes, kinds, titles):
        points = run.some("heaps", kind)
        sides = dict.fromkeys(one["side"] for point in points for one in point["series"])
        for side in sides:
            seen = [(point["at"], series_of(point, side)) for point in points]
            seen = [(at, one) for at, one in seen if one]
            axis.plot([at for at, _ in seen], [one["median"] for _, one in seen], marker="o",
                      markersize=4.5, color=colour_of(side), label=side,
                      linewidth=2 if side == "Godwit" else 1.3,
                      zorder=3 if side == "Godwit" else 2)
            for at, one in seen:
                axis.plot([at, at], [one["p10"], one["p90"]], color=colour_of(side), linewidth=1)
        log_axis(axis.yaxis)
        log_axis(axis.xaxis)
        axis.set_xticks(sorted({point["at"] for point in points}))
        axis.minorticks_off()
        axis.set_xlabel("heap, MiB")
        axis.set_title(title)
    axes[0].set_ylabel("ms")
    legend_above(made, axes[0])
    settle(made, 2)
    return made


def tiers(run):
    """What each tier costs on the way and while away."""
    kinds = {"way there": ("Way there", "ms"), "way back": ("Way back", "ms"),
             "memory held": ("Memory held meanwhile", "MiB")}
    largest = max((one["at"] for one in run.some("tiers", "way there")), default=None)
    if largest is None:
        return None
    made, axes = figure(f"How far away: each tier, with a heap of {largest:g} MiB",
                        SHORTER, run.source, 3, (13, 3.4))
    for axis, (kind, (title, unit)) in zip(axes, kinds.items()):
        one = next(one for one in run.some("tiers", kind) if one["at"] == largest)
        shown = [dict(series) for series in one["series"]]
        for series in shown:
            series["side"] = series["side"].replace(", until its memory is free", ", memory free")
        bars(axis, shown, unit)
        axis.set_title(title)
    settle(made)
    return made


def density(run):
    """How many fit into a budget, by what they wait for."""
    groups = [(kind, found[0]) for kind in ("timer", "MQTT", "HTTP")
              if (found := run.some("density", kind))]
    if not groups:
        return None
    made, (axis,) = figure("Python functions that wait, in 256 MiB",
                           "Higher is better. The axis is logarithmic.", run.source, 1, (10, 4.4))
    sides = list(dict.fromkeys(one["side"] for _, part in groups for one in part["series"]))
    sides.sort(key=lambda side: groups[0][1]["series"][0]["side"] != side and
               (series_of(groups[0][1], side) or {"median": 0})["median"])
    width = 0.84 / len(sides)
    for index, side in enumerate(sides):
        for place, (_, part) in enumerate(groups):
            one = series_of(part, side)
            if not one:
                continue
            at = place + (index - (len(sides) - 1) / 2) * width
            axis.bar(at, one["median"], width * 0.9, color=colour_of(side),
                     label=side if place == 0 else None)
            axis.annotate(plain(one["median"]), (at, one["median"]), (0, 2),
                          textcoords="offset points", ha="center", size=8.5)
    log_axis(axis.yaxis, low=3)
    axis.set_xticks(range(len(groups)), [f"waiting for {word}" for word in
                                         [{"timer": "a timer", "MQTT": "a message (MQTT)",
                                           "HTTP": "an HTTP long poll"}[kind]
                                          for kind, _ in groups]])
    axis.tick_params(axis="x", length=0)
    axis.set_ylabel("functions in 256 MiB")
    legend_above(made, axis)
    settle(made, 2)
    return made


def punctual(run):
    """How late sleepers go on: what share is at most so late."""
    found = run.some("punctual", "lateness")
    if not found:
        return None
    made, (axis,) = figure(found[0]["what"][0].upper() + found[0]["what"][1:],
                           "Further left is better: so many of a hundred are at most so late. The "
                           "axis below is logarithmic.", run.source, 1, (9.5, 4.2))
    for one in found[0]["series"]:
        late, shares = curve_of(one)
        side = {"Godwit": "put away and brought back"}.get(one["side"], one["side"])
        axis.plot([max(value, 0.01) for value in late], shares, color=colour_of(one["side"]),
                  linewidth=2, label=f"{side} ({one['n']:,})")
    axis.axvline(10, color=PALE, linestyle="--", linewidth=1)
    axis.annotate("the mark for 99 of 100: 10 ms", (10, 4), (-5, 0), textcoords="offset points",
                  size=8.5, color=PALE, ha="right")
    shares_axis(axis)
    latest = max(curve_of(one)[0][-1] for one in found[0]["series"])
    log_axis(axis.xaxis, None, max(15, 1.3 * latest))
    axis.set_xlabel("late, ms")
    legend_above(made, axis)
    settle(made, 2)
    return made


def cold(run):
    """First calls: of nothing, and of what imports much."""
    panels = [one for part, kind in (("prebake", "imports"), ("cold", "no-op"))
              for one in run.some(part, kind)]
    if not panels:
        return None
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    made, axes = grid("Cold starts: the first call of a function that has no instance",
                      SHORTER, run.source, rows, columns)
    for axis, one in zip(axes, panels):
        bars(axis, one["series"], "ms")
        axis.set_title(one["what"].removeprefix("cold start, ").replace(" no-op", ", nothing"))
    for axis in axes[len(panels):]:
        axis.remove()
    settle(made)
    return made


def load(run):
    """How long calls took under load, by what they found."""
    found = run.some("load", "latency")
    if not found:
        return None
    title = found[0]["what"].removesuffix(": to the answer")
    made, (axis,) = figure(title,
                           "Further left is better: so many of a hundred were answered in at most "
                           "so long. The axis below is logarithmic.", run.source, 1, (9.5, 4.6))
    for one in found[0]["series"]:
        took, shares = curve_of(one)
        every = one["side"] == "all calls"
        label = {"all calls": "all calls", "cold start": "cold starts"}.get(
            one["side"], f"found {one['side']}")
        axis.plot(took, shares, color=colour_of(one["side"]), linewidth=2.4 if every else 1.4,
                  label=f"{label} ({one['n']:,})", zorder=3 if every else 2)
    shares_axis(axis)
    log_axis(axis.xaxis)
    axis.set_xlabel("from its arrival to its answer, ms")
    legend_above(made, axis)
    settle(made, 2)
    return made


def grid(title, says, source, rows, columns):
    """A figure of several rows; its panels, row by row."""
    made, (first,) = figure(title, says, source, 1, (4.4 * columns, 0.9 + 2.1 * rows))
    first.remove()
    return made, [made.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]


def shares_axis(axis):
    axis.set_ylim(0, 101)
    axis.set_yticks([0, 25, 50, 75, 90, 99], ["0", "25", "50", "75", "90", "99"])
    axis.set_ylabel("of a hundred")
    axis.grid(True, axis="y")


def legend_above(made, axis):
    """In one line between the words and the panel."""
    height = made.get_size_inches()[1]
    handles, labels = axis.get_legend_handles_labels()
    made.legend(handles, labels, loc="upper left", ncol=len(labels), fontsize=9,
                bbox_to_anchor=(0.005, 1 - 0.62 / height), handlelength=1.2, columnspacing=1.4,
                labelcolor=INK)


PLOTS = (greeter, heaps, tiers, density, punctual, cold, load)


def draw(results, folder):
    """All that the file has figures for; their names."""
    with open(results, encoding="utf-8") as file:
        run = Run(json.load(file))
    os.makedirs(folder, exist_ok=True)
    drawn = []
    for plot in PLOTS:
        made = plot(run)
        if made:
            save(made, os.path.join(folder, plot.__name__))
            drawn.append(plot.__name__)
    return drawn

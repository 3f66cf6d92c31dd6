"""How all plots look: whose colour is which, axes, the words around them.

A side has the same colour in every plot: Godwit's are of one family, each peer has its own. Bars
and dots are medians, thin lines go from the first to the last decile.
"""
import math

import matplotlib

matplotlib.use("Agg")
# pylint: disable=wrong-import-position
from matplotlib import pyplot, ticker

INK, PALE, GRID = "#222222", "#6b6b6b", "#e4e4e4"
TEAL, LIGHT_TEAL, AMBER, BLUE = "#0f6b6b", "#8cc3bf", "#dd9a2b", "#4f86c6"
BRICK, LIGHT_BRICK, GREY, LIGHT_GREY, VIOLET = "#c0492f", "#e2a08f", "#5f5f5f", "#adadad", "#8d78b8"
# The first that a side's name begins with.
COLOURS = (
    ("Godwit, until its answer", LIGHT_TEAL),
    ("Godwit, plain start", LIGHT_TEAL),
    ("Godwit", TEAL),
    ("SUSPENDED, ", LIGHT_TEAL),
    ("SUSPENDED", TEAL),
    ("suspended", TEAL),
    ("SPILLED", AMBER),
    ("frozen or spilled", AMBER),
    ("FROZEN", BLUE),
    ("running", LIGHT_GREY),
    ("awake", LIGHT_GREY),
    ("never put away", LIGHT_GREY),
    ("cold start", VIOLET),
    ("all calls", INK),
    ("docker checkpoint", LIGHT_BRICK),
    ("docker start", LIGHT_BRICK),
    ("docker", BRICK),
    ("plain CRIU", GREY),
    ("criu lazy-pages", LIGHT_GREY),
    ("python3", GREY),
    ("node", GREY),
    ("/bin", GREY),
)
STEEP = 12  # times the shortest bar
SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.color": PALE,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "godwit",  # the same figures make the same file
    "figure.facecolor": "white",
}


def colour_of(side):
    return next((colour for start, colour in COLOURS if side.startswith(start)), LIGHT_GREY)


def figure(title, says, source, panels=1, size=(9.5, 4.2), **layout):
    """A figure with its title, a line on how to read it, and where it was measured."""
    pyplot.rcParams.update(SETTINGS)
    # In inches, so that plots of all heights look alike.
    made, axes = pyplot.subplots(1, panels, figsize=size, squeeze=False, **layout)
    made.text(0.13 / size[0], 1 - 0.14 / size[1], title, size=12.5, weight="bold", va="top")
    made.text(0.13 / size[0], 1 - 0.43 / size[1], says, size=9.5, color=PALE, va="top")
    made.text(0.13 / size[0], 0.09 / size[1], source, size=7.5, color=PALE, va="bottom")
    return made, list(axes[0])


def settle(made, lines=1):
    """To be called last: gives the panels what the words around them leave. `lines` of them are
    above the panels, below the title."""
    width, height = made.get_size_inches()
    above = 0.55 + 0.2 * lines
    made.tight_layout(rect=(0.05 / width, 0.24 / height, 1 - 0.05 / width, 1 - above / height))


def plain(value, _=None):
    """A number as one says it: 0.5, 12, 3,400."""
    if value >= 100:
        return f"{value:,.0f}"
    if value < 0.005:
        return f"{value:.1g}"
    return f"{value:.3g}"


def log_axis(axis, low=None, high=None):
    """A logarithmic axis whose ticks are numbers; `axis` is axes.xaxis or axes.yaxis."""
    name = axis.axis_name
    getattr(axis.axes, f"set_{name}scale")("log")
    if low or high:  # else it goes on to fit what is drawn
        getattr(axis.axes, f"set_{name}lim")(low, high)
    axis.set_major_locator(ticker.LogLocator(10, numticks=12))
    axis.set_major_formatter(ticker.FuncFormatter(plain))
    axis.set_minor_formatter(ticker.NullFormatter())
    axis.grid(True, which="major")


def bars(axes, series, unit):
    """Horizontal bars from the top, with their values and deciles. The axis is logarithmic, and
    says so, where the longest would leave nothing to be seen of the shortest."""
    places = list(range(len(series)))[::-1]
    names = [one["side"] for one in series]
    values = [one["median"] for one in series]
    ends = [max(one["median"], one["p90"]) for one in series]
    axes.barh(places, values, height=0.62, color=[colour_of(name) for name in names])
    for place, one, end in zip(places, series, ends):
        if one["n"] > 1:
            axes.plot([one["p10"], one["p90"]], [place, place], color=INK, linewidth=1)
        axes.annotate(f"{plain(one['median'])} {unit}".strip(), (end, place), (4, 0),
                      textcoords="offset points", va="center", size=8.5)
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(unit)
    # Each with room for the words behind the longest.
    if min(values) <= 0 or max(values) / min(values) < STEEP:
        axes.set_xlim(0, max(ends) * 1.4 or 1)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(5))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(plain))
        axes.xaxis.grid(True)
        return
    low = 10 ** math.floor(math.log10(min(values) * 0.7))
    log_axis(axes.xaxis, low, max(ends) * (max(ends) / low) ** 0.45)
    axes.set_xlabel(f"{unit}, logarithmic")


def save(made, path):
    """As PNG and as SVG."""
    made.savefig(f"{path}.png", dpi=120)
    made.savefig(f"{path}.svg", metadata={"Date": None})
    pyplot.close(made)

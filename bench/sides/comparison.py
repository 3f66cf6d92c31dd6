"""One line of thought of the report: Godwit's series beside its peers' and the marks to reach."""
import dataclasses

from sides.stats import Series


@dataclasses.dataclass
class Mark:
    """What the first series must reach: `limit` itself, or `limit` times the median of `peer`."""

    limit: float
    at_most: bool = True
    peer: str = ""

    def bound(self, comparison):
        return self.limit * comparison.of(self.peer).median if self.peer else self.limit

    def reached(self, comparison):
        value, bound = comparison.series[0].median, self.bound(comparison)
        return value <= bound if self.at_most else value >= bound

    def __str__(self):
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.limit:,g}" + (f" × {self.peer}" if self.peer else "")


@dataclasses.dataclass
class Comparison:
    what: str
    series: list  # Godwit's first, then the peers'
    marks: tuple = ()
    note: str = ""
    kind: str = ""  # what plots know it by, and
    at: float | None = None  # where it stands on the axis of one of them
    part: str = ""

    def of(self, side):
        return next(series for series in self.series if series.side == side)

    def ratio(self, peer):
        """Godwit's median in terms of the peer's."""
        return self.series[0].median / peer.median if peer.median else float("inf")

    def verdicts(self):
        """Each mark and whether it was reached; none of a peer that was not measured."""
        sides = [series.side for series in self.series]
        return [(mark, mark.reached(self)) for mark in self.marks
                if not mark.peer or mark.peer in sides]


def compare(what, unit, sides, marks=(), note="", kind="", at=None):
    """A comparison with an empty series for each side, to be filled. `marks`: one or several."""
    marks = (marks,) if isinstance(marks, Mark) else tuple(marks)
    return Comparison(what, [Series(side, unit) for side in sides], marks, note, kind, at)


def merge(comparisons):
    """Those of the same name become one, with the peers and marks of all. What has no sample goes,
    and with a first series the marks that it had to reach."""
    merged = {}
    for comparison in comparisons:
        if not comparison.series[0].samples:
            comparison.marks = ()
        comparison.series = [series for series in comparison.series if series.samples]
        if comparison.what in merged:
            merged[comparison.what].series += comparison.series
            merged[comparison.what].marks += comparison.marks
        else:
            merged[comparison.what] = comparison
    return [comparison for comparison in merged.values() if comparison.series]

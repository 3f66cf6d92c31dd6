"""One line of thought of the report: Godwit's series beside its peers' and the mark to reach."""
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
    mark: Mark | None = None
    note: str = ""

    def of(self, side):
        return next(series for series in self.series if series.side == side)

    def ratio(self, peer):
        """Godwit's median in terms of the peer's."""
        return self.series[0].median / peer.median if peer.median else float("inf")


def compare(what, unit, sides, mark=None, note=""):
    """A comparison with an empty series for each side, to be filled."""
    return Comparison(what, [Series(side, unit) for side in sides], mark, note)

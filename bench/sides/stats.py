"""Samples of one thing that was measured, and what is said of them.

A Series is all samples of one side in one unit. Medians and deciles, never means: a shared machine
has outliers. Values stay in the unit in which they were taken.
"""
import dataclasses


@dataclasses.dataclass
class Series:
    side: str  # whose samples: "Godwit", "plain CRIU", ...
    unit: str  # "ms", "/s", "MiB"
    samples: list = dataclasses.field(default_factory=list)

    def add(self, value):
        self.samples.append(value)

    @property
    def median(self):
        return quantile(self.samples, 0.5)

    @property
    def spread(self):
        """The first and the last decile."""
        return quantile(self.samples, 0.1), quantile(self.samples, 0.9)


def quantile(samples, share):
    """Interpolated between the two nearest samples."""
    ordered = sorted(samples)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def show(value, unit):
    """Three digits that count, thousands set apart."""
    if unit == "/s" or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


# Of a hundred percentiles, and ever finer towards the latest.
SHARES = [step / 100 for step in range(99)] + [step / 1000 for step in range(990, 999)]
SHARES += [step / 10000 for step in range(9990, 10001)]


def curve(samples):
    """What is to be known of many samples: [share, value] pairs, for a plot of shares."""
    return [[share, quantile(samples, share)] for share in SHARES]

"""Of the plots: each is drawn from what a run keeps, and none of what it has not measured. And of
who is called when under load."""
import importlib.util
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
from sides import report, zipf
from sides.comparison import compare
from sides.stats import curve, quantile

RUN = {"date": "2026-01-02 03:04", "machine": "a machine", "load": 0.5, "left_out": [],
       "command": "bench/run", "seconds": {}}


def line(part, what, sides, kind="", at=None):
    """A comparison with samples; `sides` says about how much each took."""
    made = compare(what, "ms", list(sides), kind=kind, at=at)
    made.part = part
    for series in made.series:
        series.samples = [sides[series.side] * (0.8 + 0.01 * step) for step in range(40)]
    return made


def some_of_each():
    away = {"FROZEN": 2, "SPILLED": 20, "SUSPENDED": 18, "SUSPENDED, until its memory is free": 9,
            "docker pause": 8}
    results = [
        line("moves", "suspend, Python greeter", {"Godwit": 9, "docker pause": 8}),
        line("moves", "resume, Python greeter", {"Godwit": 8, "plain CRIU": 7}),
        line("tiers", "there", away, "way there", 64),
        line("tiers", "back", {"FROZEN": 1, "SPILLED": 30, "SUSPENDED": 12}, "way back", 64),
        line("tiers", "held", {"FROZEN": 74, "SPILLED": 4, "SUSPENDED": 0}, "memory held", 64),
        line("punctual", "how late 50 sleepers wake", {"Godwit": 1, "never put away": 0.1},
             "lateness"),
        line("prebake", "cold start, NumPy", {"Godwit, clone": 40, "Godwit, plain start": 800},
             "imports"),
        line("cold", "cold start, Python no-op", {"Godwit, first call": 60, "python3 -c pass": 15},
             "no-op"),
        line("load", "9 calls of 7 functions: to the answer", {"all calls": 12, "awake": 2,
             "suspended": 20, "cold start": 90}, "latency"),
    ]
    for kind in ("timer", "MQTT", "HTTP"):
        results.append(line("density", f"functions that wait for {kind}", {
            "running": 25, "FROZEN": 25, "SPILLED": 70, "SUSPENDED": 3000, "docker pause": 18},
            kind))
    for mib in (1, 16, 1024):
        for kind in ("first response", "all of its memory there",
                     "suspend, until its memory is free"):
            sides = {"Godwit": 10 + mib / 100, "plain CRIU": 8 + mib, "criu lazy-pages": 12 + mib}
            results.append(line("heaps", f"{kind}, {mib}", sides, kind, mib))
    return results


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "python3-matplotlib is not here")
class PlotsTest(unittest.TestCase):

    def drawn(self, results, compact):
        from sides import plots  # pylint: disable=import-outside-toplevel
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(report.as_json(results, RUN, compact))
            names = plots.draw(path, folder)
            for name in names:
                for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
                    with open(os.path.join(folder, f"{name}.{kind}"), "rb") as file:
                        self.assertTrue(file.read().startswith(start))
            return names

    def test_each_is_drawn_of_what_is_published(self):
        from sides import plots  # pylint: disable=import-outside-toplevel
        names = [plot.__name__ for plot in plots.PLOTS]
        self.assertEqual(self.drawn(some_of_each(), compact=True), names)

    def test_of_what_was_not_measured_there_is_none(self):
        late = [one for one in some_of_each() if one.part == "punctual"]
        self.assertEqual(self.drawn(late, compact=False), ["punctual"])
        self.assertEqual(self.drawn([], compact=False), [])


class CurveTest(unittest.TestCase):

    def test_it_ends_with_the_latest_and_never_falls(self):
        samples = [float(step) for step in range(5000)]
        pairs = curve(samples)
        values = [value for _, value in pairs]
        self.assertEqual(values, sorted(values))
        self.assertEqual((pairs[0], pairs[-1]), ([0.0, 0.0], [1.0, 4999.0]))
        self.assertIn([0.99, quantile(samples, 0.99)], pairs)

    def test_a_published_file_has_it_instead_of_many_samples(self):
        many = line("load", "calls", {"all calls": 1})
        many.series[0].samples = list(range(report.MOST_SAMPLES + 1))
        kept = json.loads(report.as_json([many], RUN, compact=True))["measured"][0]["series"][0]
        self.assertNotIn("samples", kept)
        self.assertEqual((kept["n"], kept["median"]), (report.MOST_SAMPLES + 1, 125.0))


class ZipfTest(unittest.TestCase):

    def test_the_same_seed_gives_the_same_calls(self):
        self.assertEqual(zipf.arrivals(100, 1, 50, 20, 7), zipf.arrivals(100, 1, 50, 20, 7))
        self.assertNotEqual(zipf.arrivals(100, 1, 50, 20, 7), zipf.arrivals(100, 1, 50, 20, 8))

    def test_calls_come_in_order_at_about_the_rate(self):
        calls = zipf.arrivals(100, 1, 50, 200, 7)
        moments = [moment for moment, _ in calls]
        self.assertEqual(moments, sorted(moments))
        self.assertLess(moments[-1], 200)
        self.assertAlmostEqual(len(calls) / 10_000, 1, delta=0.05)

    def test_the_first_is_called_twice_as_often_as_the_second(self):
        ranks = [rank for _, rank in zipf.arrivals(2000, 1, 1000, 50, 7)]
        self.assertEqual((min(ranks) >= 0, max(ranks) < 2000), (True, True))
        self.assertAlmostEqual(ranks.count(0) / ranks.count(1), 2, delta=0.2)
        share = zipf.weights(2000, 1)[0] / sum(zipf.weights(2000, 1))
        self.assertAlmostEqual(ranks.count(0) / len(ranks), share, delta=0.01)


if __name__ == "__main__":
    unittest.main()

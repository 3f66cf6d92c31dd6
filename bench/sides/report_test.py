"""Of the numbers a report is made of, and of how it shows them."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
from sides import report
from sides.comparison import Mark, compare
from sides.stats import Series, show

RUN = {"date": "2026-01-02 03:04", "machine": "a machine", "load": 0.5, "left_out": [("x", "why")]}


def suspend(godwit, criu, limit=2.0):
    comparison = compare("suspend", "ms", ["Godwit", "plain CRIU"], Mark(limit, peer="plain CRIU"))
    comparison.series[0].samples = godwit
    comparison.series[1].samples = criu
    return comparison


class StatsTest(unittest.TestCase):
    def test_median_and_deciles_lie_between_samples(self):
        self.assertEqual(Series("a", "ms", [3, 1, 2]).median, 2)
        self.assertEqual(Series("a", "ms", [4, 1, 2, 3]).median, 2.5)
        low, high = Series("a", "ms", list(range(11))).spread
        self.assertEqual((low, high), (1, 9))
        self.assertEqual(Series("a", "ms", [7]).spread, (7, 7))

    def test_three_digits_count(self):
        self.assertEqual(show(0.1234, "ms"), "0.12")
        self.assertEqual(show(12.34, "ms"), "12.3")
        self.assertEqual(show(12345.6, "ms"), "12,346")
        self.assertEqual(show(912.3, "/s"), "912")


class MarkTest(unittest.TestCase):
    def test_a_peer_sets_the_bound(self):
        self.assertEqual(report.verdict(suspend([20], [10])), "≤ 2 × plain CRIU: reached")
        self.assertEqual(report.verdict(suspend([20.1], [10])), "≤ 2 × plain CRIU: MISSED")

    def test_a_number_is_the_bound(self):
        rate = compare("rate", "/s", ["Godwit"], Mark(3000, at_most=False))
        rate.series[0].samples = [2999]
        self.assertEqual(report.verdict(rate), "≥ 3,000: MISSED")
        rate.series[0].samples = [3000]
        self.assertEqual(report.verdict(rate), "≥ 3,000: reached")

    def test_there_is_no_verdict_without_the_peer(self):
        alone = suspend([20], [10])
        del alone.series[1]
        self.assertEqual(report.verdict(alone), "")


class TableTest(unittest.TestCase):
    def test_a_row_a_series_and_the_ratio_beside_the_peer(self):
        first, second = report.rows([suspend([30, 10, 20], [40])])
        self.assertEqual(first[:3], ("suspend", "Godwit", "20.0 ms"))
        self.assertEqual(second[:3], ("", "plain CRIU", "40.0 ms"))
        self.assertEqual((first[5], second[5]), ("", "0.50"))

    def test_markdown_has_as_many_cells_everywhere_and_says_what_is_missing(self):
        text = report.markdown([suspend([20], [10])], RUN)
        table = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual({line.count("|") for line in table}, {len(report.HEAD) + 1})
        self.assertIn("Not measured: x (why)", text)

    def test_json_keeps_every_sample(self):
        kept = json.loads(report.as_json([suspend([20, 21], [10])], RUN))
        self.assertEqual(kept["measured"][0]["series"][0]["samples"], [20, 21])
        self.assertIs(kept["measured"][0]["reached"], False)


if __name__ == "__main__":
    unittest.main()

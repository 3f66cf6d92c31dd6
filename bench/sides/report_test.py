"""Of the numbers a report is made of, and of how it shows them."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
from sides import report
from sides.comparison import Mark, compare, merge
from sides.stats import Series, show

RUN = {"date": "2026-01-02 03:04", "machine": "a machine", "load": 0.5, "left_out": [("x", "why")],
       "command": "bench/run --quick", "seconds": {"moves": 61.0, "load": 62.0}}


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

    def test_of_several_marks_those_of_peers_that_were_measured_count(self):
        several = suspend([20], [10])
        several.marks += (Mark(1, peer="docker pause"), Mark(19))
        self.assertEqual(report.verdict(several), "≤ 2 × plain CRIU: reached; ≤ 19: MISSED")


class MergeTest(unittest.TestCase):
    def test_those_of_one_name_become_one(self):
        one, other = compare("a", "ms", ["Godwit"], Mark(1)), compare("a", "ms", ["docker pause"])
        one.series[0].samples, other.series[0].samples = [1], [2]
        merged, = merge([one, other])
        self.assertEqual([series.side for series in merged.series], ["Godwit", "docker pause"])
        self.assertEqual(report.verdict(merged), "≤ 1: reached")

    def test_what_has_no_sample_goes_and_its_marks_with_it(self):
        alone = suspend([], [10])
        self.assertEqual(merge([suspend([], [])]), [])
        merged, = merge([alone])
        self.assertEqual([series.side for series in merged.series], ["plain CRIU"])
        self.assertEqual(report.verdict(merged), "")


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
        self.assertIn("`bench/run --quick` on a machine", text)
        self.assertIn("It took 2 minutes; in seconds: moves 61, load 62.", text)

    def test_markdown_has_a_table_for_each_part_and_each_note_once(self):
        first, second = suspend([1], [2]), suspend([1], [2])
        first.part, second.part = "moves", "heaps"
        first.note = second.note = "A note."
        text = report.markdown([first, second, first], RUN)
        self.assertEqual([text.count(f"## {part}") for part in ("moves", "heaps")], [1, 1])
        self.assertEqual(text.count("A note."), 2)

    def test_json_keeps_every_sample(self):
        kept = json.loads(report.as_json([suspend([20, 21], [10])], RUN))
        self.assertEqual(kept["measured"][0]["series"][0]["samples"], [20, 21])
        mark, = kept["measured"][0]["marks"]
        self.assertEqual((mark["bound"], mark["reached"]), (20, False))

    def test_published_json_has_four_digits_and_a_line_for_each_comparison(self):
        text = report.as_json([suspend([20.123456, 21], [10])], RUN, compact=True)
        kept = json.loads(text)["measured"][0]["series"][0]
        self.assertEqual(kept["samples"], [20.12, 21])
        self.assertEqual(len([row for row in text.splitlines() if '"suspend"' in row]), 1)


if __name__ == "__main__":
    unittest.main()

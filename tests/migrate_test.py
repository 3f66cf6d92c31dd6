"""Calls that move between the nodes of a site, in namespaces of their own."""
import json
import unittest

import harness
import sites


class MigrateTest(harness.Errors, unittest.TestCase):
    def move(self, site, instance, to, **expect):
        """Wherever it is, moves it to `to`; how it went."""
        source = site[harness.eventually(lambda: self.one_place(site, instance), 20,
                                         "the place of the instance")]
        journey = source.json("migrate", instance, "--to", to)
        self.assertEqual(journey["to"], to)
        for key, value in expect.items():
            self.assertEqual(journey[key], value, journey)
        return journey

    @staticmethod
    def one_place(site, instance):
        where = site.where(instance)
        return where if isinstance(where, str) else None

    @staticmethod
    def one_more_step(node):
        """Waits until the call says its next number there."""
        def said():
            return node.ok("logs", "tally", quiet=True).count("at ")
        before = said()
        harness.eventually(lambda: said() > before, 30, "one more step of the call")

    def test_a_call_that_counts_moves_ten_times_while_its_caller_waits(self):
        with sites.Site(nodes=3) as site:
            site.a.deploy("tally", timeout=300)
            answer = site.a.later("invoke", "tally", json.dumps({"to": 60, "pause": 0.2}))
            instance = site.a.wait_for(function="tally", state="BUSY")["instance"]
            self.one_more_step(site.a)
            for i in range(10):
                journey = self.move(site, instance, "bca"[i % 3], ran=True)
                harness.say(f"{journey['from']} -> {journey['to']}: stood still "
                            f"{journey['downtime_us'] / 1000:.1f} ms, in all "
                            f"{journey['total_us'] / 1000:.0f} ms, {journey['bytes']} bytes, "
                            f"{journey['pages_sent']} of {journey['pages']} pages")
                self.one_more_step(site[journey["to"]])
            done = answer.result(120)
            self.assertEqual(done.code, 0, done.err)
            self.assertEqual(json.loads(done.out)["total"], 60 * 61 // 2)

    def test_one_that_sleeps_on_disk_moves_asleep_and_wakes_at_its_time(self):
        with sites.Site(nodes=2) as site:
            site.a.deploy("tally", timeout=60)
            request = site.a.submit("tally", {"to": 1, "pause": 8})
            instance = site.a.wait_for(function="tally", state="SUSPENDED")["instance"]
            self.move(site, instance, "b", ran=False)
            self.assertEqual(site.b.ps(instance=instance)[0]["state"], "SUSPENDED")
            self.assertEqual(site.a.ps(), [])
            record = site.a.result(request)
            self.assertEqual(record["status"], "SUCCEEDED", record)
            self.assertEqual(record["result"]["total"], 1)

    def test_what_it_answers_is_known_where_it_was_asked_alone(self):
        with sites.Site(nodes=2) as site:
            site.a.deploy("tally", timeout=60)
            request = site.a.submit("tally", {"to": 20})
            instance = site.a.wait_for(function="tally", state="BUSY")["instance"]
            self.move(site, instance, "b")
            running = site.a.json("result", request)
            self.assertEqual((running["status"], running["node"]), ("RUNNING", "b"))
            self.assertEqual([one["node"] for one in site.a.json("ps", "--site")], ["b"])
            self.assertEqual(site.a.result(request)["result"]["total"], 210)

    def test_whoever_cannot_be_sent_goes_on_and_it_is_said_why(self):
        with sites.Site(nodes=2) as site:
            site.a.deploy("tally", timeout=60)
            answer = site.a.later("invoke", "tally", json.dumps({"to": 40}))
            instance = site.a.wait_for(function="tally", state="BUSY")["instance"]
            done = site.a.godwit("migrate", instance, "--to", "x")
            self.check_error(done, 3, "migrate", instance, "no node 'x'", "godwit site list")
            done = site.a.godwit("migrate", instance, "--to", "a")
            self.check_error(done, 2, "migrate", instance, "is on 'a' already")
            done = site.a.godwit("migrate", "i-0000000000", "--to", "b")
            self.check_error(done, 3, "migrate", "i-0000000000", "godwit ps")
            site.b.stop()
            done = site.a.godwit("migrate", instance, "--to", "b")
            self.check_error(done, 1, "migrate", instance, "'b'", "godwit site list")
            self.assertEqual(json.loads(answer.result(60).out)["total"], 820)


if __name__ == "__main__":
    harness.main()

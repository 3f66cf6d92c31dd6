"""What a lost node has left goes on elsewhere, once; what comes back later is told so."""
import concurrent.futures
import json
import unittest

import harness
import sites

LEASE = 5  # seconds
FLAGS = ("--lease", f"{LEASE}s", "--blocked-after", "300ms")


class FailoverTest(harness.Errors, unittest.TestCase):
    maxDiff = None

    def test_the_sleepers_of_a_node_whose_power_fails_finish_at_their_time_elsewhere(self):
        with sites.Site(nodes=2, flags=FLAGS) as site:
            site.a.deploy("tally", timeout=60)
            asleep = 25
            with concurrent.futures.ThreadPoolExecutor(8) as crew:
                requests = list(crew.map(
                    lambda _: site.a.submit("tally", {"to": 1, "pause": 20}), range(asleep)))
            site.a.wait_for(function="tally", state="SUSPENDED", count=asleep, within=60)
            harness.eventually(lambda: len(site.b.json("ps", "--copies")) == asleep, 60,
                               "a copy of each")
            site.bed.kill("a")
            rows = harness.eventually(
                lambda: len(found := site.b.ps(function="tally")) == asleep and found, 60,
                "all of them at b")
            self.assertEqual({row["state"] for row in rows} - {"SUSPENDED", "RESUMING", "BUSY",
                                                               "BLOCKED", "READY", "FROZEN"}, set())
            for request in requests:
                record = site.b.result(request)
                self.assertEqual((record["status"], record["result"]["total"]), ("SUCCEEDED", 1))
            # It comes back: none of its own runs again, and it knows what came of them.
            site.bed.boot("a")
            site.a.start()
            for request in requests:
                record = site.a.result(request)
                self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 1))
            self.assertEqual(site.a.ps(state="BUSY"), [])

    def test_a_node_that_is_cut_off_stands_still_and_its_call_is_finished_once(self):
        with sites.Site(nodes=2, flags=FLAGS) as site:
            site.a.deploy("tally", timeout=60)
            request = site.a.submit("tally", {"to": 1, "pause": 12})
            instance = site.a.wait_for(function="tally", state="SUSPENDED")["instance"]
            harness.eventually(lambda: site.b.json("ps", "--copies"), 30, "a copy of it")
            site.bed.cut("a")
            harness.eventually(lambda: site.b.ps(instance=instance), 60, "it at b")
            harness.eventually(lambda: site.b.ps(instance=instance, state="READY"), 60,
                               "the end of its call at b")
            self.assertEqual(site.a.json("result", request)["status"], "RUNNING")
            site.bed.heal("a")
            record = site.a.result(request)
            self.assertEqual((record["status"], record["result"]["total"]), ("SUCCEEDED", 1))
            said = [line for line in site.b.ok("logs", "tally", quiet=True).splitlines()
                    if "at 1" in line]
            harness.eventually(lambda: not site.a.ps(instance=instance), 30, "an end of it at a")
            self.assertLessEqual(len(said), 1)

    def test_copies_go_when_their_call_has_ended(self):
        with sites.Site(nodes=2, flags=FLAGS) as site:
            site.a.deploy("tally", timeout=60)
            answer = site.a.later("invoke", "tally", json.dumps({"to": 2, "pause": 3}))
            harness.eventually(lambda: site.b.json("ps", "--copies"), 30, "a copy of it")
            self.assertEqual(json.loads(answer.result(60).out)["total"], 3)
            harness.eventually(lambda: not site.b.json("ps", "--copies"), 30, "no copy")


if __name__ == "__main__":
    harness.main()

"""Either end of a journey dies at each named point of it: the instance lives on one node, and its
call is finished once, with the right answer."""
import json
import unittest

import harness
import sites

LEASE = 4  # seconds
FLAGS = ("--lease", f"{LEASE}s", "--blocked-after", "300ms")
AT_THE_SOURCE = (701, 702, 703)
AT_THE_TARGET = (704, 705, 706)
OF_A_COPY = 707
OF_A_TAKEOVER = 708


@unittest.skipUnless(harness.FAULTS, "this build has no fault points")
class SiteFaults(unittest.TestCase):
    maxDiff = None

    @staticmethod
    def lives_once(site, instance, within=60):
        """Waits until exactly one node has the instance."""
        def look():
            where = site.where(instance)
            return where if isinstance(where, str) else None
        return harness.eventually(look, within, "one place of the instance")

    def check_result(self, node, request, attempts=(1,)):
        record = harness.eventually(
            lambda: (found := node.result(request, wait=False))["finished"] and found, 90,
            "a result")
        self.assertEqual(record["status"], "SUCCEEDED", record)
        self.assertEqual(record["result"]["total"], 40 * 41 // 2)
        self.assertIn(record["attempt"], attempts)

    def dies_at(self, point, name):
        harness.say(f"--- {name} is killed at {point}")
        # No copies, so that nobody else can bring it back but who had it.
        with sites.Site(nodes=2, flags=(*FLAGS, "--copies", "0"),
                        faults={name: f"{point}:kill"}) as site:
            site.a.deploy("tally", timeout=120)
            request = site.a.submit("tally", {"to": 40, "pause": 0.25})
            instance = site.a.wait_for(function="tally", state="BUSY")["instance"]
            moving = site.a.later("migrate", instance, "--to", "b")
            site[name].died()
            site[name].start()
            self.lives_once(site, instance)
            moving.result(60)
            self.check_result(site.a, request)

    def test_the_source(self):
        for point in AT_THE_SOURCE:
            self.dies_at(point, "a")

    def test_the_target(self):
        for point in AT_THE_TARGET:
            self.dies_at(point, "b")

    def test_who_keeps_a_copy(self):
        with sites.Site(nodes=2, flags=FLAGS, faults={"b": f"{OF_A_COPY}:kill"}) as site:
            site.a.deploy("tally", timeout=120)
            request = site.a.submit("tally", {"to": 40, "pause": 0.5})
            site.b.died()
            site.b.start()
            self.check_result(site.a, request)
            harness.eventually(lambda: not site.b.json("ps", "--copies"), 60, "no copy")

    def test_who_takes_over(self):
        with sites.Site(nodes=2, flags=FLAGS, faults={"b": f"{OF_A_TAKEOVER}:kill"}) as site:
            site.a.deploy("tally", timeout=120)
            request = site.a.submit("tally", {"to": 1, "pause": 15})
            instance = site.a.wait_for(function="tally", state="SUSPENDED")["instance"]
            harness.eventually(lambda: site.b.json("ps", "--copies"), 30, "a copy of it")
            site.bed.kill("a")
            site.b.died()
            site.b.start()
            harness.eventually(lambda: site.b.ps(instance=instance), 60, "it at b")
            record = site.b.result(request)
            self.assertEqual(record["result"]["total"], 1, json.dumps(record))


if __name__ == "__main__":
    harness.main()

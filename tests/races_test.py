"""Two things at once: what happens to an instance while it is on its way."""
import json
import random
import shutil
import time
import unittest

import harness
from harness import PLAIN

FOLDER = harness.FUNCTIONS / "races"


class Races(unittest.TestCase):

    def test_deleted_while_it_is_put_away(self):
        with harness.Node(*PLAIN, "--blocked-after", "300ms").start() as node:
            payload = json.dumps({"seconds": 30, "ballast": "y" * (4 << 20)})
            event = node.home / "event.json"
            event.write_text(payload, encoding="ascii")
            for lap in range(5):
                names = [f"gone{lap}-{i}" for i in range(3)]
                for name in names:
                    node.deploy(name, "races", "handler.hold", timeout=60)
                calls = [node.later("invoke", name, f"@{event}") for name in names]
                left = set(names)
                while left:
                    for row in node.ps(state="BLOCKED"):
                        if row["function"] in left:
                            left.remove(row["function"])
                            # Not a wait for something, but a moment of the dump.
                            time.sleep(random.uniform(0, 0.03))
                            node.ok("rm", row["function"], quiet=True)
                for call in calls:
                    self.assertRegex(call.result(20).err, "has been deleted")
                self.assertTrue(node.alive(), node.log())
            harness.eventually(lambda: not node.ps(), what="the end of all")

    def test_it_ends_as_soon_as_it_is_back(self):
        with harness.Node(*PLAIN, "--blocked-after", "300ms").start() as node:
            code = node.home / "ends"
            code.mkdir()
            compiler = shutil.which("clang-19") or "cc"
            harness.run([compiler, "-static", "-O1", "-o", code / "bootstrap", FOLDER / "ends.c"])
            node.deploy("ends", code)
            calls = [node.submit("ends", {}) for _ in range(6)]
            node.wait_for(function="ends", state="SUSPENDED", count=6)
            node.kill9()
            time.sleep(4)  # their waits are over while there is no node
            node.start()
            for call in calls:
                record = node.result(call)
                self.assertEqual(record["status"], "FAILED")
                self.assertIn("exit status 3", json.dumps(record["result"]))
            harness.eventually(lambda: not node.ps(), what="the end of all")
            self.assertEqual(node.ok("logs", "ends", quiet=True).count("begun"), 6)

    def test_more_was_accepted_than_may_wait(self):
        flags = ("--max-queue", "2", "--max-instances", "2", "--keep-awake")
        with harness.Node(*PLAIN, *flags).start() as node:
            node.deploy("holds", "races", "handler.hold", timeout=60)
            calls = []
            for _ in range(2):
                calls.append(node.submit("holds", {"seconds": 5}))
                node.wait_for(function="holds", state="BUSY", count=len(calls))
            calls += [node.submit("holds", {}) for _ in range(2)]
            node.kill9()
            node.start()
            for call in calls:
                self.assertEqual(node.result(call)["status"], "SUCCEEDED")

    def test_put_away_between_an_answer_and_the_next_question(self):
        with harness.Node(*PLAIN, "--blocked-after", "300ms").start() as node:
            code = node.home / "late"
            code.mkdir()
            shutil.copy(FOLDER / "late_asker.py", code / "bootstrap")
            (code / "bootstrap").chmod(0o755)
            node.deploy("late", code, timeout=20)
            self.assertEqual(node.ok("invoke", "late", "{}"), '"done"')
            node.ok("suspend", node.ps()[0]["instance"])
            self.assertEqual(node.ok("invoke", "late", "{}", timeout=30), '"done"')

    def test_changed_while_it_is_put_away(self):
        with harness.Node("--max-instances", "1").start() as node:
            node.deploy("holds", "races", "handler.hold", memory=512, timeout=60)
            node.ok("invoke", "holds", '{"mb":300}')
            old = node.ps()[0]["instance"]
            away = node.later("suspend", old)
            time.sleep(0.2)  # it is on its way, and has 300 MB to go
            node.deploy("holds", "races", "handler.hold", timeout=50)
            self.assertEqual(away.result(60).code, 0)
            self.assertEqual(node.ok("invoke", "holds", "{}"), "0")
            self.assertNotEqual(node.ps()[0]["instance"], old)

    def test_moved_by_hand_at_any_moment(self):
        """Also between the function's word and its arrival: what it has said is heard."""
        with harness.Node("--blocked-after", "150ms").start() as node:
            node.deploy("laps", "races", "handler.laps", timeout=60)
            event = '{"laps":2,"seconds":0.05}'
            calls = [node.later("invoke", "laps", event)]
            done = 0
            while done < 120:
                if len(calls) < 3:
                    calls.append(node.later("invoke", "laps", event))
                for row in random.sample(rows := node.ps(), min(2, len(rows))):
                    verb = "resume" if row["state"] == "SUSPENDED" else "suspend"
                    node.request("POST", f"/godwit/v1/instances/{row['instance']}/{verb}")
                for call in [call for call in calls if call.done()]:
                    calls.remove(call)
                    self.assertEqual(len(json.loads(call.result().out)), 2)
                    done += 1
            for row in node.ps(state="SUSPENDED", reason="by hand"):
                node.godwit("resume", row["instance"], quiet=True)
            for call in calls:
                self.assertEqual(len(json.loads(call.result(30).out)), 2)

    def test_a_trial_while_the_node_stops(self):
        with harness.Node("--blocked-after", "20s").start() as node:
            node.deploy("holds", "races", "handler.hold", memory=512, timeout=60)
            node.deploy("tried", "races", "handler.hold")
            call = node.submit("holds", {"mb": 200, "seconds": 8})
            node.wait_for(function="holds", state="BUSY")
            own = node.later("doctor", "holds", "--event", '{"mb": 50, "seconds": 60}')
            node.process.terminate()
            other = node.later("doctor", "tried", "--event", '{"mb": 1, "seconds": 60}')
            self.assertEqual(node.died(), 0)
            own.result(10)
            other.result(10)
            node.start()
            record = node.result(call)
            self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 1))

    def test_time_that_it_waits_does_not_count(self):
        with harness.Node("--blocked-after", "500ms").start() as node:
            node.deploy("laps", "races", "handler.laps", timeout=3)
            left = json.loads(node.ok("invoke", "laps", '{"laps":5,"seconds":1.5}'))
            self.assertEqual(len(left), 5)
            self.assertGreater(min(left), 1000)
            # Brought back by hand in the middle of a wait that is longer than its time.
            call = node.later("invoke", "laps", '{"laps":1,"seconds":6}')
            row = node.wait_for(function="laps", state="SUSPENDED")
            node.ok("resume", row["instance"])
            left = json.loads(call.result(20).out)
            self.assertGreater(left[0], 2000)


if __name__ == "__main__":
    harness.main()

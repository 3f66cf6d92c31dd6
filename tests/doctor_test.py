"""`godwit doctor FUNCTION`: a trial in an instance of its own, tier by tier, and what stands in the
way, with the fix."""
import json
import unittest

import harness

TIERS = ["FROZEN", "SPILLED", "SUSPENDED"]


class Doctor(harness.NodeCase):

    flags = (*harness.PLAIN, "--blocked-after", "500ms")

    def examine(self, handler, event=None, *flags, code=0, node=None):
        """Deploys the handler and tries it: what it printed, as --json has it."""
        node = node or self.node
        name = handler.replace("_", "-")
        node.deploy(name, "doctor", f"handler.{handler}", timeout=60)
        done = node.godwit("doctor", name, "--event", json.dumps(event or {}), "--json", *flags)
        self.assertEqual(done.code, code, done)
        told = json.loads(done.out)
        self.assertEqual([one["tier"] for one in told["tiers"]], TIERS)
        self.assertEqual(told["checkpoints"], told["tiers"][2]["result"] == "works")
        return told

    def check_works(self, told, *tiers):
        for one in told["tiers"]:
            with self.subTest(one["tier"]):
                if one["tier"] not in tiers:
                    self.assertNotEqual(one["result"], "works", one)
                    self.assertTrue(one["reason"])
                    continue
                self.assertEqual((one["result"], one["reason"]), ("works", None))
                self.assertGreater(one["took_us"], 0)
                self.assertGreater(one["memory_before"], 0)
                if one["tier"] == "SUSPENDED":
                    self.assertEqual(one["memory_after"], 0)
                if one["tier"] != "FROZEN":
                    self.assertGreater(one["image_bytes"], 0)
                    self.assertLess(one["memory_after"], one["memory_before"])

    def obstacle(self, told, kind):
        found = [one for one in told["obstacles"] if one["kind"] == kind]
        self.assertEqual(len(found), 1, told["obstacles"])
        self.assertTrue(found[0]["fix"])
        return found[0]

    def check_nothing_is_left(self, told, node=None):
        node = node or self.node
        self.assertEqual(node.ps(instance=told["instance"]), [])
        harness.eventually(lambda: not node.cgroups(told["instance"]), what="its end")
        self.assertFalse((node.data / "instances" / told["instance"]).exists())

    def test_one_that_answers_at_once(self):
        told = self.examine("at_once", {"n": 1.50})
        self.check_works(told, *TIERS)
        self.assertEqual((told["waited"], told["obstacles"]), (False, []))
        self.assertEqual({one["state"] for one in told["tiers"]}, {"READY"})
        self.assertEqual((told["call"]["status"], told["call"]["result"]),
                         ("SUCCEEDED", {"n": 1.5}))
        self.check_nothing_is_left(told)
        # It really ran, once, and its log is the function's.
        self.assertEqual(self.node.ok("logs", "at-once").count("ran once"), 1)
        shown = self.node.ok("doctor", "at-once")
        self.assertRegex(shown, r"(?s)^at-once will checkpoint\nTIER .*\nFROZEN +works .*"
                                r"\nSPILLED +works .*\nSUSPENDED +works .*")
        self.assertIn("after its call, which did not wait", shown)
        self.assertIn("its call: answered {} in ", shown)
        self.assertIn("template: none: the node makes none", shown)

    def test_one_that_waits(self):
        told = self.examine("sleeps", {"seconds": 12}, "--for", "60s")
        self.check_works(told, *TIERS)
        self.assertTrue(told["waited"])
        self.assertEqual({one["state"] for one in told["tiers"]}, {"BLOCKED"})
        # It has gone through all that, and is right.
        self.assertEqual((told["call"]["status"], told["call"]["result"]),
                         ("SUCCEEDED", {"slept": True}))
        self.check_nothing_is_left(told)

    def test_nobodys_instance_is_disturbed(self):
        node = self.node
        node.deploy("busy", "doctor", "handler.sleeps", timeout=60)
        call = node.later("invoke", "busy", '{"seconds": 6}')
        row = node.wait_for(function="busy", state="SUSPENDED")
        told = node.json("doctor", "busy", "--event", '{"seconds": 60}')
        self.assertEqual((told["checkpoints"], told["call"]["status"]), (True, "RUNNING"))
        self.assertNotEqual(told["instance"], row["instance"])
        history = json.loads(node.request("GET", f"/godwit/v1/instances/{row['instance']}")[2])
        self.assertEqual([move["reason"] for move in history["history"]
                          if move["reason"] == "its trial"], [])
        self.assertEqual(json.loads(call.result().out), {"slept": True})
        self.check_nothing_is_left(told)

    def test_it_takes_a_place_of_its_function(self):
        node = self.node
        node.deploy("alone", "doctor", "handler.sleeps", timeout=60)
        self.reserve("alone", 1)
        first = node.later("doctor", "alone", "--event", '{"seconds": 60}', "--for", "8s", "--json")
        harness.eventually(lambda: self.strangers(node), what="the trial's start")
        self.check_error(node.godwit("doctor", "alone"), 9, "'alone' has as many instances as it",
                         "may have, 1", "put-function-concurrency")
        # A call waits for the place, and gets it.
        self.assertEqual(node.invoke("alone", {"seconds": 0}), {"slept": True})
        self.assertEqual(json.loads(first.result().out)["checkpoints"], True)
        # An instance takes it from a trial as well.
        self.check_error(node.godwit("doctor", "alone"), 9, "may have, 1")
        self.reserve("alone", 2)
        self.assertEqual(node.json("doctor", "alone", "--event", '{"seconds": 0}')["checkpoints"],
                         True)

    def reserve(self, name, instances):
        body = json.dumps({"ReservedConcurrentExecutions": instances})
        status, _, said = self.node.request(
            "PUT", f"/2017-10-31/functions/{name}/concurrency", body)
        self.assertEqual(status, 200, said)

    @staticmethod
    def strangers(node):
        """Instances that have control groups, and that `ps` does not list."""
        there = {entry.name for directory in node.cgroups() for entry in directory.iterdir()
                 if entry.is_dir() and entry.name.startswith("i-")}
        return there - {row["instance"] for row in node.ps()}

    def test_it_needs_room_in_the_memory_budget(self):
        # One that works and is not put away has all that there is.
        with harness.Node(*harness.PLAIN, "--memory-budget", "8M").start() as node:
            node.deploy("works", "doctor", "handler.spins", timeout=60)
            node.deploy("other", "doctor", "handler.at_once")
            node.submit("works")
            node.wait_for(function="works", state="BUSY")
            self.check_error(node.godwit("doctor", "other"), 9, "no room for one more instance of",
                             "memory_budget")
            node.ok("rm", "works")
            harness.eventually(lambda: not node.ps(), what="the end of what works")
            self.assertEqual(node.json("doctor", "other")["checkpoints"], True)

    def test_one_that_never_waits(self):
        told = self.examine("spins", None, "--for", "1500ms")
        # Its registers are not in a call, so its memory cannot be put away in place.
        self.check_works(told, "FROZEN", "SUSPENDED")
        self.obstacle(told, "at_work")
        self.assertEqual((told["waited"], told["call"]["status"], told["call"]["result"]),
                         (False, "RUNNING", None))
        self.assertEqual({one["state"] for one in told["tiers"]}, {"BUSY"})
        self.assertIn("it did not wait",
                      self.node.ok("doctor", "spins", "--for", "1s"))
        self.check_nothing_is_left(told)

    def test_one_that_raises(self):
        told = self.examine("raises")
        self.check_works(told, *TIERS)
        self.assertEqual(told["call"]["status"], "FAILED")
        self.assertEqual(told["call"]["result"]["errorType"], "ValueError")
        shown = self.node.ok("doctor", "raises")
        self.assertRegex(shown, r"its call: failed in .*no such tea.*--event gives another")

    def test_one_that_ends(self):
        self.node.deploy("leaves", "doctor", "handler.leaves")
        done = self.node.godwit("doctor", "leaves")
        self.check_error(done, 1, "it ended before it could be tried")
        self.assertRegex(done.out, "its call: failed in .*exit status 3")
        self.assertIn("not tried: it has ended: ended: exit status 3", done.out)

    def test_one_that_is_not_there(self):
        node = self.node
        self.check_error(node.godwit("doctor", "nobody"), 3, "nobody", "godwit list")
        self.check_error(node.godwit("doctor", "nobody", "--event", "{"), 2, "JSON")
        self.check_error(node.godwit("doctor", "nobody", "--for", "soon"), 2, "soon")
        self.check_error(node.godwit("doctor", "--for", "3s"), 2, "--for needs the name")
        node.deploy("at-once-too", "doctor", "handler.at_once")
        self.check_error(node.godwit("doctor", "at-once-too", "--for", "16m"), 2, "900000")
        self.check_error(node.godwit("doctor", "at-once-too", "--for", "0"), 2, "900000")

    def test_system_v(self):
        told = self.examine("system_v", code=4)
        self.check_works(told, "FROZEN", "SPILLED")
        one = self.obstacle(told, "system_v_ipc")
        self.assertIn("System V shared memory", one["what"])
        self.assertIn("remove it before you wait", one["fix"])
        done = self.node.godwit("doctor", "system-v")
        self.check_error(done, 4, "1 obstacle stands in the way of SUSPENDED", "it is SPILLED")
        self.assertRegex(done.out, r"(?s)system-v will not checkpoint\n.*SUSPENDED +refused .*"
                                   r"  obstacle: it has System V .*\n       fix: remove it")
        self.check_nothing_is_left(told)

    def test_mptcp(self):
        self.node.deploy("has-mptcp", "doctor", "handler.has_mptcp")
        if not self.node.invoke("has-mptcp"):
            self.skipTest("this kernel has no MPTCP")
        told = self.examine("mptcp", {"seconds": 12}, "--for", "60s", code=4)
        self.check_works(told, "FROZEN", "SPILLED")
        one = self.obstacle(told, "mptcp")
        self.assertRegex(one["what"], r"^descriptor \d+ of process \d+ \(python3\) is an "
                                      r"MPTCP socket$")
        self.assertIn("GODEBUG=multipathtcp=0", one["fix"])
        self.assertEqual(told["call"]["result"], "plain again")

    def test_a_watch(self):
        """CRIU takes it, but not on a file of /proc."""
        self.check_works(self.examine("watches", {"path": "/tmp"}), *TIERS)
        told = self.examine("watches", {"path": "/proc/sys/kernel"}, code=4)
        one = self.obstacle(told, "inotify")
        self.assertRegex(one["what"], r"descriptor \d+ of process \d+ \(python3\) has an inotify "
                                      r"watch on /proc/sys/kernel: ")
        self.assertIn("close it before you wait", one["fix"])
        self.check_works(told, "FROZEN", "SPILLED")

    def test_a_connection_that_nobody_accepts(self):
        told = self.examine("unaccepted", {"seconds": 12}, "--for", "60s", code=4)
        one = self.obstacle(told, "unaccepted_connection")
        self.assertRegex(one["what"], r"^descriptor \d+ of process \d+ \(python3\).*: .*In-flight")
        self.assertIn("accept it", one["fix"])
        self.assertEqual(told["call"]["result"], "hello")

    def test_a_socket_with_a_time_out_of_its_own(self):
        told = self.examine("time_out_of_its_own", {"seconds": 12}, "--for", "60s", code=4)
        one = self.obstacle(told, "socket_timeout")
        self.assertIn("SO_RCVTIMEO", one["what"])
        self.assertEqual(one["fix"], "use poll")
        self.assertEqual(told["call"]["result"], "in time", "it was not disturbed")

    def test_one_that_is_changed_meanwhile(self):
        node = self.node
        node.deploy("changes", "doctor", "handler.sleeps", timeout=60)
        trial = node.later("doctor", "changes", "--event", '{"seconds": 60}', "--for", "60s")
        harness.eventually(lambda: list((node.data / "instances").iterdir()), what="its start")
        node.deploy("changes", "doctor", "handler.at_once", timeout=60)
        self.check_error(trial.result(30), 7, "changed meanwhile")


class Awake(harness.NodeCase):
    """A node that puts nothing away by itself does so for a trial."""

    flags = (*harness.PLAIN, "--keep-awake")

    def test_all_tiers(self):
        self.node.deploy("sleeps", "doctor", "handler.sleeps", timeout=60)
        told = self.node.json("doctor", "sleeps", "--event", '{"seconds": 60}', "--for", "4s")
        self.assertEqual([(one["tier"], one["result"]) for one in told["tiers"]],
                         [(tier, "works") for tier in TIERS])
        self.assertTrue(told["waited"])


class Ends(unittest.TestCase, harness.Errors):

    @staticmethod
    def blobs(node):
        return sorted(path for path in node.data.glob("blobs/**/*") if path.is_file())

    def test_a_trial_ends_with_its_node(self):
        with harness.Node(*harness.PLAIN).start() as node:
            node.deploy("sleeps", "doctor", "handler.sleeps", timeout=60)
            trial = node.later("doctor", "sleeps", "--event", '{"seconds": 60}', "--for", "60s")
            harness.eventually(lambda: list((node.data / "instances").iterdir()), what="its start")
            node.kill9()
            self.assertNotEqual(trial.result(30).code, 0)
            node.start()
            self.assertEqual(node.ps(), [])
            self.assertEqual(list((node.data / "instances").iterdir()), [])

    @unittest.skipUnless(harness.FAULTS, "this build has no fault points")
    def test_one_that_is_on_disk_when_its_node_dies_is_gone(self):
        for point in (205, 303):
            with self.subTest(point), harness.Node(*harness.PLAIN).start() as node:
                node.deploy("sleeps", "doctor", "handler.sleeps", timeout=60)
                before = self.blobs(node)
                node.stop()
                node.start(fault=f"{point}:kill")
                trial = node.later("doctor", "sleeps", "--event", '{"seconds": 60}')
                node.died()
                self.assertNotEqual(trial.result(30).code, 0)
                node.start()
                self.assertEqual(node.ps(), [])
                self.assertEqual(self.blobs(node), before)


if __name__ == "__main__":
    harness.main()

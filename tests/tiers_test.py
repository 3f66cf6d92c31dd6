"""Between running and being on disk: tiers by hand, by want of CRIU, and by want of memory."""
import json
import os
import pathlib
import signal
import unittest

import harness

WAITER = '''
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)

kept = None

def handler(event, context):
    global kept
    ballast = os.urandom(1 << 20) * event.get("mb", 1)
    kept = ballast  # until the next call
    digest = hash(ballast)
    if event.get("inotify"):
        watch = libc.inotify_init1(0)
        os.makedirs("/tmp/watched", exist_ok=True)
        if libc.inotify_add_watch(watch, b"/var/task", 0x100) < 0:
            raise OSError(ctypes.get_errno())
    if event.get("sysv"):
        libc.semget(0, 1, 0o600)
    begun = time.monotonic()
    time.sleep(event.get("seconds", 0))
    return {"right": hash(ballast) == digest, "slept": time.monotonic() - begun, "pid": os.getpid()}
'''


class Tiered(harness.NodeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.node.home / "waiter"
        folder.mkdir()
        (folder / "app.py").write_text(WAITER, encoding="utf-8")
        cls.folder = folder

    def deploy(self, name, **settings):
        self.node.deploy(name, self.folder, "app.handler", **({"timeout": 60} | settings))

    def blocked(self, name, **event):
        call = self.node.submit(name, event)
        return call, self.node.wait_for(function=name, state="BLOCKED")["instance"]

    def check(self, call, seconds):
        record = self.node.result(call)
        self.assertEqual(record["status"], "SUCCEEDED", record)
        self.assertEqual(record["attempt"], 1)
        self.assertTrue(record["result"]["right"], record)
        self.assertGreaterEqual(record["result"]["slept"], seconds)

    def row(self, instance):
        row, = self.node.ps(instance=instance)
        return row

    def why(self, instance):
        return self.node.json("ps", "--why", instance)


class OtherWalls(Tiered):

    flags = (*harness.PLAIN, "--kept-walls", "0", "--blocked-after", "300ms", "--keep-awake")

    def test_spilled_again_in_walls_that_are_new(self):
        self.deploy("wanders")
        call, instance = self.blocked("wanders", mb=20, seconds=10)
        for _ in range(2):
            self.node.ok("suspend", "--tier", "spilled", instance)
            self.assertEqual(self.row(instance)["state"], "SPILLED")
            self.node.ok("suspend", instance)
            harness.eventually(lambda: not self.node.cgroups(instance), 20, "the end of its walls")
            self.node.ok("resume", instance)
        self.check(call, 10)


class ByHand(Tiered):

    flags = ("--blocked-after", "300ms", "--keep-awake")

    def test_spilled_memory_is_given_back_and_comes_again(self):
        self.deploy("spills")
        call, instance = self.blocked("spills", mb=40, seconds=5)
        before = self.node.cgroup_memory(instance)
        self.assertGreater(before, 40 << 20)
        report = self.node.json("suspend", "--tier", "spilled", instance)
        self.assertEqual(report["instance"]["state"], "SPILLED")
        self.assertLess(self.node.cgroup_memory(instance), before / 5)
        self.check(call, 5)

    def test_there_and_back_by_hand(self):
        self.deploy("back")
        call, instance = self.blocked("back", mb=10, seconds=15)
        for tier, state in ("spilled", "SPILLED"), ("frozen", "FROZEN"), ("spilled", "SPILLED"):
            self.node.ok("suspend", "--tier", tier, instance)
            self.assertEqual(self.row(instance)["state"], state)
        self.node.ok("resume", instance)
        self.assertIn(self.row(instance)["state"], ("BUSY", "BLOCKED"))
        self.assertGreater(self.node.cgroup_memory(instance), 10 << 20)
        self.node.ok("suspend", "--tier", "spilled", instance)
        self.node.ok("suspend", instance)
        self.assertEqual(self.row(instance)["state"], "SUSPENDED")
        self.check(call, 15)

    def test_no_such_tier(self):
        done = self.node.godwit("suspend", "--tier", "moon", "i-0000000001")
        self.assertEqual(done.code, 2)
        self.assertIn("write frozen, spilled or disk", done.err)

    def test_the_end_of_those_who_are_away(self):
        for tier, state in ("spilled", "SPILLED"), ("frozen", "FROZEN"):
            with self.subTest(tier):
                self.deploy("ends-" + tier)
                call, instance = self.blocked("ends-" + tier, mb=4, seconds=60)
                self.node.ok("suspend", "--tier", tier, instance)
                self.assertEqual(self.row(instance)["state"], state)
                pid = self.row(instance)["pid"]
                self.node.ok("rm", "ends-" + tier)
                harness.eventually(lambda: not os.path.exists(f"/proc/{pid}"), 20, "the end")
                self.assertEqual(self.node.result(call)["status"], "FAILED")
                harness.eventually(lambda: not self.node.cgroups(instance), 20, "no group")

    def test_a_killed_function_is_told(self):
        self.deploy("killed")
        call, instance = self.blocked("killed", mb=4, seconds=60)
        self.node.ok("suspend", "--tier", "spilled", instance)
        os.kill(self.row(instance)["pid"], signal.SIGKILL)
        record = self.node.result(call)
        self.assertEqual(record["status"], "FAILED")
        self.assertIn("signal: killed", json.dumps(record))


class NodeDies(unittest.TestCase):
    """Whoever has missing pages dies with the node: nobody ever reads zeros."""

    def test_nobody_outlives_the_node(self):
        with harness.Node("--blocked-after", "300ms", "--keep-awake").start() as node:
            folder = node.home / "waiter"
            folder.mkdir()
            (folder / "app.py").write_text(WAITER, encoding="utf-8")
            pids = []
            for tier in "spilled", "frozen":
                node.deploy("dies-" + tier, folder, "app.handler", timeout=60)
                node.submit("dies-" + tier, {"mb": 8, "seconds": 60})
                row = node.wait_for(function="dies-" + tier, state="BLOCKED")
                node.ok("suspend", "--tier", tier, row["instance"])
                pids.append(row["pid"])
            node.kill9()
            for pid in pids:
                harness.eventually(lambda p=pid: not pathlib.Path(f"/proc/{p}").exists(), 20,
                                   "its end")
            node.start()
            self.assertEqual(node.ps(state="SPILLED"), [])


class Refused(Tiered):
    """What CRIU does not take is SPILLED, and right."""

    flags = ("--blocked-after", "300ms", "--idle-after", "60s")

    def test_system_v(self):
        self.deploy("refused")
        call = self.node.submit("refused", {"mb": 20, "sysv": True, "seconds": 5})
        row = self.node.wait_for(function="refused", state="SPILLED")
        self.assertIn("System V", row["reason"])
        self.assertLess(self.node.cgroup_memory(row["instance"]), 8 << 20)
        why = self.why(row["instance"])
        self.assertEqual(why["belongs"], "spilled")
        self.check(call, 5)
        # Idle it is frozen, and thawed for its next call.
        self.node.wait_for(function="refused", state="FROZEN")
        self.assertTrue(self.node.invoke("refused", {})["right"])

    def test_who_is_back_soon_stays(self):
        self.deploy("soon")
        call = self.node.submit("soon", {"seconds": 3600})
        row = self.node.wait_for(function="soon", state="SUSPENDED")
        why = self.why(row["instance"])
        self.assertEqual(why["call"], "waits")
        self.assertNotIn("unknown", why["back in"])
        self.assertIn("call waits", why["why"])
        self.node.godwit("ps", "--why", row["instance"])
        self.node.ok("rm", "soon")
        self.assertEqual(self.node.result(call)["status"], "FAILED")


class Squeezed(Tiered):
    """A budget that does not hold all."""

    flags = ("--blocked-after", "300ms", "--idle-after", "60s", "--freeze-after", "60s",
             "--memory-budget", "120M")

    def test_the_idle_make_room(self):
        names = [f"idle-{number}" for number in range(8)]
        for name in names:
            self.deploy(name)
        for name in names:
            self.assertTrue(self.node.invoke(name, {"mb": 20})["right"])
        # Without the budget all would be in memory for a minute.
        harness.eventually(lambda: len(self.node.ps(state="SUSPENDED")) >= 1, 20, "room")

        def held():
            return sum(row["memory_bytes"] for row in self.node.ps())
        harness.eventually(lambda: held() <= 120 << 20, 20, "the budget")
        row = self.node.ps(state="SUSPENDED")[0]
        self.assertIn("memory is scarce", row["reason"])
        why = self.why(row["instance"])
        self.assertEqual(why["memory budget"], "125.8 MB")
        for name in names:
            self.assertTrue(self.node.invoke(name, {"mb": 2})["right"])

    def test_a_budget_below_what_runs(self):
        with harness.Node("--blocked-after", "300ms", "--memory-budget", "4M").start() as node:
            node.deploy("busy", self.folder, "app.handler", timeout=60)
            node.deploy("late", self.folder, "app.handler", timeout=60)
            first = node.submit("busy", {"mb": 20, "seconds": 3})
            self.assertTrue(node.invoke("late", {})["right"])  # waits for its turn, and is served
            self.assertTrue(node.result(first)["result"]["right"])


del Tiered

if __name__ == "__main__":
    harness.main()

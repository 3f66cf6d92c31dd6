"""`kill -9` of the node at any moment: nothing acknowledged is lost, and nothing is left."""
import concurrent.futures
import json
import pathlib
import re
import signal
import sqlite3
import time
import unittest

import harness
from harness import PLAIN

ASLEEP, AWAKE = 20, 5
SECONDS = 25.0


def own_processes(node):
    """Pids that see the node's store: the node, and whatever lives in its sandboxes."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(node.data) in (entry / "mountinfo").read_text():
                found.add(int(entry.name))
        except OSError:
            continue
    return found


class Leftovers:
    """What a store and this machine may hold, given what the node says that it runs."""

    def check_nothing_is_left(self, node):
        # The node begins and ends instances meanwhile: only what stays unknown is left over.
        harness.eventually(lambda: not self.unknown(node), 20,
                           "the end of the groups and folders that no instance has")
        self.assertEqual(harness.mounts_below(node.home), [])

    @staticmethod
    def unknown(node):
        there = {entry.name for directory in (*node.cgroups(), node.data / "instances")
                 for entry in directory.iterdir() if entry.is_dir()}
        return there - {row["instance"] for row in node.ps()}


class Restart(unittest.TestCase, Leftovers):

    def test_twenty_asleep_and_five_at_work(self):
        with harness.Node(*PLAIN, "--blocked-after", "300ms").start() as node:
            node.deploy("sleeper", "marks", "handler.sleep")
            node.deploy("spinner", "marks", "handler.spin", timeout=120)
            event = '{"name":"sync asleep","seconds":%g}' % SECONDS
            caller = node.later("invoke", "sleeper", event)
            asleep = {f"asleep {i}": None for i in range(ASLEEP)}
            for name in asleep:
                asleep[name] = node.submit("sleeper", {"name": name, "seconds": SECONDS})
            node.wait_for(function="sleeper", state="SUSPENDED", count=ASLEEP + 1)
            begun = time.time()
            worker = node.later("invoke", "spinner", '{"name":"sync awake","seconds":60}')
            awake = {f"awake {i}": None for i in range(AWAKE)}
            for name in awake:
                awake[name] = node.submit("spinner", {"name": name, "seconds": 5})
            node.wait_for(function="spinner", state="BUSY", count=AWAKE + 1)
            node.godwit("ps")
            sleepers = node.ps(function="sleeper")
            before = own_processes(node)
            self.assertGreater(len(before), AWAKE)
            node.kill9()
            for callers in (caller, worker):
                done = callers.result(timeout=20)
                self.assertEqual(done.code, 13, done)
                self.assertRegex(done.err, r"^godwit: cannot invoke '\w+': .* \(.*\)\n$")

            node.start()
            harness.eventually(lambda: not before & own_processes(node), 10, "the end of the dead")
            self.check_nothing_is_left(node)
            for name, request in asleep.items():
                record = node.result(request)
                self.assertEqual(record["status"], "SUCCEEDED", record)
                self.assertEqual(record["result"], {"name": name, "attempt": 1, "count": 1})
                self.assertEqual(record["attempt"], 1)
            for name, request in awake.items():
                record = node.result(request)
                self.assertEqual(record["status"], "SUCCEEDED", record)
                self.assertEqual(record["result"], {"name": name, "attempt": 2})
                self.assertEqual(record["attempt"], 2)
            # The caller is gone, but its call was put away, and so it is kept.
            request = next(row["request_id"] for row in sleepers
                           if row["request_id"] not in asleep.values())
            self.assertEqual(node.result(request)["result"]["name"], "sync asleep")
            harness.say(f"{ASLEEP + AWAKE + 1} results, {time.time() - begun:.1f} s after the "
                        f"sleepers were put away")
            # Each ran once, however often it was put away; those at work were begun again.
            log = node.godwit("logs", "sleeper", quiet=True).out
            for name in asleep:
                self.assertEqual(log.count(f"ended {name}\n"), 1, name)

    def test_stop_and_start(self):
        """SIGTERM: what waits is put away, callers are told, and all comes back."""
        with harness.Node(*PLAIN, "--blocked-after", "300ms",
                          "--idle-after", "300ms").start() as node:
            node.deploy("sleeper", "marks", "handler.sleep")
            request = node.submit("sleeper", {"name": "event", "seconds": 8})
            caller = node.later("invoke", "sleeper", '{"name":"sync","seconds":8}')
            node.wait_for(function="sleeper", state="SUSPENDED", count=2)
            self.assertEqual(node.stop(), 0)
            told = caller.result()
            self.assertEqual(told.code, 6)
            self.assertIn("shutting down", told.err)
            self.assertEqual(own_processes(node), set())
            self.assertEqual(node.cgroups(), [])
            node.start()
            self.check_nothing_is_left(node)
            self.assertEqual(node.result(request)["result"],
                             {"name": "event", "attempt": 1, "count": 1})
            # The instance that answered is idle now, is put away, and knows what it has counted.
            node.wait_for(function="sleeper", state="SUSPENDED", request_id=None, count=2)
            self.assertEqual(node.stop(), 0)
            node.start()
            answer = node.invoke("sleeper", {"name": "more", "seconds": 0})
            self.assertEqual(answer["count"], 2)


@unittest.skipUnless(harness.FAULTS, "this build has no fault points (the dev preset has)")
class FaultPoints(unittest.TestCase, Leftovers):
    """The node is killed at each point that src/base/fault.h names, and started again."""

    # Which attempt of an Event call answers at last: 1 if its image is the truth or its result is
    # kept, 2 if it may have been begun.
    ATTEMPTS = {101: 2, 102: 1, 201: 2, 204: 2, 205: 1, 206: 2, 301: 1, 302: 2, 303: 2, 401: 2}
    # The count of calls that an idle instance still knows when it has answered one more.
    COUNTS = {201: 1, 204: 1, 205: 2, 206: 1}
    # Of the tiers between: what is done by hand until the node dies.
    BY_HAND = {601: "spilled", 602: "spilled", 603: "spilled", 604: "spilled", 605: "frozen",
               606: "frozen"}
    NOT_FOR_KILLING = {203, 207}
    # callback_test.py, prebake_test.py, bases_test.py, PowerCut and site_faults_test.py
    TRIED_ELSEWHERE = {103, 208, 209, 210, 501, 502, 503, 504, 505, 506, 701, 702, 703, 704, 705,
                       706, 707, 708}

    def test_every_point_is_tried(self):
        text = (harness.ROOT / "src" / "base" / "fault.h").read_text(encoding="utf-8")
        points = {int(number) for number in re.findall(r"X\(k\w+, (\d+),", text)}
        self.assertEqual(points, set(self.ATTEMPTS) | set(self.BY_HAND) | self.NOT_FOR_KILLING |
                         self.TRIED_ELSEWHERE)

    def test_event_calls(self):
        self.at_each(self.ATTEMPTS, self.kill_under_an_event_call)

    def test_idle_instances(self):
        self.at_each(self.COUNTS, self.kill_under_an_idle_instance)

    def test_spilled_and_frozen(self):
        self.at_each(self.BY_HAND, self.kill_between_tiers)

    def at_each(self, points, check):
        # Few at once: each is a node, and the machine is small.
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            runs = {point: pool.submit(check, point, seen) for point, seen in points.items()}
        for point, done in runs.items():
            with self.subTest(point=point):
                done.result()

    def kill_under_an_event_call(self, point, attempt):
        with harness.Node(*PLAIN, "--blocked-after", "200ms").start(fault=f"{point}:kill") as node:
            node.deploy("marks", handler="handler.sleep")
            event = {"name": f"at {point}", "seconds": 2}
            sent = node.godwit("invoke", "marks", json.dumps(event), "--async")
            self.assertEqual(node.died(), -signal.SIGKILL)
            node.start()
            if point == 101:
                self.assertEqual(sent.code, 13, sent)
                harness.eventually(
                    lambda: f"ended at {point}" in node.ok("logs", "marks", quiet=True),
                    what="the run of what was accepted")
            else:
                self.assertEqual(sent.code, 0, sent)
                record = node.result(sent.out.strip())
                self.assertEqual(record["status"], "SUCCEEDED", record)
                self.assertEqual(record["result"],
                                 {"name": f"at {point}", "attempt": attempt, "count": 1})
                self.assertEqual(record["attempt"], attempt)
            self.check_nothing_is_left(node)
            self.assertEqual(node.invoke("marks", {"name": "after", "seconds": 0})["name"], "after")

    def kill_between_tiers(self, point, tier):
        """Nothing of it is on disk for good: its call is run again, and nobody is left over, who
        might read zeros where its memory was."""
        with harness.Node(*PLAIN, "--blocked-after", "200ms",
                          "--keep-awake").start(fault=f"{point}:kill") as node:
            node.deploy("marks", handler="handler.sleep", timeout=60)
            request = node.submit("marks", {"name": f"at {point}", "seconds": 4})
            row = node.wait_for(function="marks", state="BLOCKED")
            before = own_processes(node)
            self.assertIn(row["pid"], before)
            node.godwit("suspend", row["instance"], "--tier", tier)
            if node.alive():
                node.godwit("resume", row["instance"])
            self.assertEqual(node.died(), -signal.SIGKILL)
            harness.eventually(lambda: not before & own_processes(node), 10, "the end of the dead")
            node.start()
            record = node.result(request)
            self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 2), record)
            self.assertEqual(record["result"], {"name": f"at {point}", "attempt": 2, "count": 1})
            self.check_nothing_is_left(node)
            # Of the files that it was spilled into none has a name.
            self.assertEqual([path for path in (node.data / "instances").iterdir()
                              if path.is_file()], [])
            self.assertEqual(node.invoke("marks", {"name": "after", "seconds": 0})["name"], "after")

    def kill_under_an_idle_instance(self, point, count):
        with harness.Node(*PLAIN, "--idle-after", "300ms").start(fault=f"{point}:kill") as node:
            node.deploy("marks", handler="handler.sleep")
            event = {"name": "first", "seconds": 0}
            self.assertEqual(node.invoke("marks", event)["count"], 1)
            self.assertEqual(node.died(), -signal.SIGKILL)
            node.start()
            self.assertEqual(node.invoke("marks", event)["count"], count)
            self.check_nothing_is_left(node)


class Reboot(unittest.TestCase, Leftovers):

    def test_sleepers_are_on_time(self):
        """What only lives as long as the machine is gone: their time is read off the wall clock."""
        with harness.Node(*PLAIN, "--blocked-after", "300ms").start() as node:
            node.deploy("sleeper", "waits", "handler.sleep", timeout=30)
            node.deploy("poller", "waits", "handler.poll", timeout=30)
            requests = {name: node.submit(name, {"seconds": 12}) for name in ("sleeper", "poller")}
            node.wait_for(state="SUSPENDED", count=2)
            node.kill9()
            node.boot_again()
            for name, request in requests.items():
                record = node.result(request)
                self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 1))
                slept = record["result"]["awake"] - record["result"]["asleep"]
                harness.say(f"{name} slept {slept:.4f} s of 12")
                self.assertGreater(slept, 12 - 0.002)
                self.assertLess(slept, 14)
            self.check_nothing_is_left(node)


@unittest.skipUnless(harness.FAULTS, "this build has no fault points (the dev preset has)")
class PowerCut(unittest.TestCase, Leftovers):
    """What the disk did not get of an image: as if its instance had run, and nothing else.

    The node is killed before its row says that the image is synced; then the image is cut.
    """

    def killed_before_it_is_synced(self):
        node = harness.Node(*PLAIN, "--blocked-after", "300ms").start(fault="209:kill")
        self.addCleanup(node.close)
        node.deploy("marks", handler="handler.sleep")
        return node

    @staticmethod
    def query(node, sql):
        database = sqlite3.connect(node.data / "godwit.db")
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def cut_image(self, node):
        (image, synced), = self.query(node, "SELECT image, synced FROM instance")
        self.assertEqual(synced, 0)
        path = node.data / "blobs" / image[:2] / image[2:]
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size // 2)

    def test_an_event_call_is_run_again(self):
        node = self.killed_before_it_is_synced()
        call = node.submit("marks", {"name": "cut", "seconds": 2})
        node.died()
        self.cut_image(node)
        node.boot_again()
        self.assertIn("the power cut took instance", node.log())
        record = node.result(call)
        self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 2), record)
        self.check_nothing_is_left(node)

    def test_a_synchronous_call_has_failed(self):
        node = self.killed_before_it_is_synced()
        caller = node.later("invoke", "marks", '{"name":"cut","seconds":60}')
        node.died()
        self.assertEqual(caller.result(timeout=20).code, 13)
        self.cut_image(node)
        node.boot_again()
        (call,), = self.query(node, "SELECT id FROM call")
        self.assertEqual(node.result(call)["status"], "FAILED")
        self.check_nothing_is_left(node)

    def test_what_is_whole_comes_back(self):
        node = self.killed_before_it_is_synced()
        call = node.submit("marks", {"name": "whole", "seconds": 12})
        node.died()
        node.boot_again()
        harness.eventually(lambda: self.query(node, "SELECT synced FROM instance") == [(1,)],
                           what="the sync")
        record = node.result(call)
        self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 1), record)

    def test_within_one_boot_it_is_no_power_cut(self):
        node = self.killed_before_it_is_synced()
        call = node.submit("marks", {"name": "cut", "seconds": 2})
        node.died()
        self.cut_image(node)
        node.start()
        record = node.result(call)
        self.assertEqual((record["status"], record["attempt"]), ("FAILED", 1), record)
        self.check_nothing_is_left(node)

    def test_durable_suspend_waits_for_the_disk(self):
        node = harness.Node(*PLAIN, "--blocked-after", "300ms", "--durable-suspend")
        self.addCleanup(node.close)
        node.start(fault="205:kill")
        node.deploy("marks", handler="handler.sleep")
        call = node.submit("marks", {"name": "durable", "seconds": 3})
        node.died()
        self.assertEqual(self.query(node, "SELECT synced FROM instance"), [(1,)])
        node.start()
        self.assertEqual(node.result(call)["attempt"], 1)


if __name__ == "__main__":
    harness.main()

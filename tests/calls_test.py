"""Every call that blocks, put away in the middle, answers as its manual page has it.

The C program in functions/calls has a case for each, which looks at the result, at what the call
wrote, at the registers and at the clock. All wait at the same time, in one instance; what cannot be
carried has an instance of its own, and stays in memory.
"""
import os
import pathlib
import re
import shutil
import unittest

import harness

SECONDS = 6
CALLS = harness.FUNCTIONS / "calls"

# Cases that stay in memory, and what `ps` says of it.
REFUSED = {
    "timed.recv": "SO_RCVTIMEO",
    "timed.read": "SO_RCVTIMEO",
    "timed.accept": "SO_RCVTIMEO",
    "timed.send": "SO_SNDTIMEO",
    "half.write": "writing to descriptor",
    "half.send": "writing to descriptor",
    "shared.lock": "has a locked file",
    "sysv.semtimedop": "System V",
    "sysv.semop": "System V",
    "sysv.msgrcv": "System V",
}

# Registers that do not come back from a call as the ABI has it, because they hold another time-out.
ALTERED = {
    "registers-nanosleep": {"rdi"},
    "registers-clock-nanosleep": {"rdx"},
    "registers-poll": {"rdx", "r10"},
    "registers-epoll-wait": {"r10", "r8"},
    "registers-epoll-pwait": {"r10"},
    "registers-epoll-pwait2": {"r10"},
    "registers-futex": {"r10"},
    "registers-sigtimedwait": {"rdx"},
}


class Calls(harness.NodeCase):

    flags = ("--blocked-after", "500ms")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.node.home / "calls"
        folder.mkdir()
        shutil.copy(CALLS / "handler.py", folder)
        compiler = shutil.which("clang-19") or "cc"
        harness.run([compiler, "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-pthread",
                     "-o", folder / "conformance", *sorted(CALLS.glob("*.c")), "-lm"], check=True)
        cls.folder = folder

    def deploy(self, name):
        self.node.deploy(name, self.folder, "handler.handler", timeout=120)

    def check_right(self, record):
        self.assertEqual(record["status"], "SUCCEEDED", record)
        cases = record["result"]["cases"]
        for name, said in sorted(cases.items()):
            with self.subTest(name):
                others = [line for line in said if line.split(":")[0] not in ALTERED.get(name, ())]
                self.assertIn(others, ([], ["right"]))
        return cases

    def test_all_at_once(self):
        self.deploy("all")
        call = self.node.submit("all", {"case": "all", "seconds": SECONDS})
        self.node.wait_for(function="all", state="SUSPENDED")
        self.node.godwit("ps")
        record = self.node.result(call)
        cases = self.check_right(record)
        self.assertGreater(len(cases), 70)
        self.assertEqual(record["attempt"], 1)

    def test_what_cannot_be_carried_is_not_disturbed(self):
        calls = {}
        for name in REFUSED:
            self.deploy(name.replace(".", "-"))
            calls[name] = self.node.submit(name.replace(".", "-"),
                                           {"case": name, "seconds": SECONDS})
        reasons = {}

        def all_refused():
            for row in self.node.ps():
                if "not put away" in row["reason"]:
                    reasons[row["function"].replace("-", ".")] = row["reason"]
            return set(REFUSED) <= set(reasons)
        harness.eventually(all_refused, 20, "the refusal of all")
        self.node.godwit("ps")
        for name, call in calls.items():
            with self.subTest(name):
                self.assertIn(REFUSED[name], reasons[name])
                self.check_right(self.node.result(call))


class Tiers(Calls):
    """The same by hand, in the tiers where the processes stay."""

    flags = ("--blocked-after", "300ms", "--keep-awake")

    def put_into(self, tier):
        self.deploy(tier)
        call = self.node.submit(tier, {"case": "all", "seconds": SECONDS})
        row = self.node.wait_for(function=tier, state="BLOCKED")
        self.node.ok("suspend", "--tier", tier, row["instance"])
        record = self.node.result(call)
        self.assertGreater(len(self.check_right(record)), 70)

    def test_all_at_once(self):
        self.put_into("frozen")

    def test_what_cannot_be_carried_is_not_disturbed(self):
        self.put_into("spilled")


@unittest.skipUnless(harness.FAULTS, "this build has no fault points (the dev preset has)")
class LastMoment(unittest.TestCase):

    def writers(self, pid):
        """The writing ends of the pipes that it has open, as paths."""
        def flags(path):
            info = (path.parent.parent / "fdinfo" / path.name).read_text("ascii")
            return int(re.search(r"^flags:\s+(\d+)", info, re.MULTILINE)[1], 8)
        return [path for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()
                if os.readlink(path).startswith("pipe:") and flags(path) & os.O_WRONLY]

    def stopped(self, pid):
        return "\nState:\tt" in pathlib.Path(f"/proc/{pid}/status").read_text("ascii")

    def test_what_comes_in_the_last_moment_is_not_put_away(self):
        # The node waits, with the function stopped and dumped, until something has come for it.
        with harness.Node("--blocked-after", "300ms").start(fault="207:fail") as node:
            node.deploy("reader", CALLS, "handler.last_moment", timeout=60)
            call = node.submit("reader", {"seconds": 4})
            pid = node.wait_for(function="reader", state="BLOCKED")["pid"]
            harness.eventually(lambda: self.stopped(pid), 20, "the stop of the function")
            writer, = self.writers(pid)
            with open(writer, "wb", buffering=0) as pipe:
                pipe.write(b"in time")
            harness.eventually(lambda: "has something to read" in node.log(), 20, "the look")
            # Its next wait is one like any other, and at once.
            node.wait_for(function="reader", state="SUSPENDED", within=20)
            record = node.result(call)
            self.assertEqual((record["status"], record["result"], record["attempt"]),
                             ("SUCCEEDED", "in time", 1))


if __name__ == "__main__":
    harness.main()

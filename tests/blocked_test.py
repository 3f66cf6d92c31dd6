"""A call that blocks is put away in the middle, and comes back at its time with the right answer.

Every wait is a call of its own, all at the same time. GODWIT_TEST_SECONDS says how long they wait.
"""
import concurrent.futures
import json
import os
import time

import harness

SECONDS = float(os.environ.get("GODWIT_TEST_SECONDS", "8"))
GENEROUS = 2.0  # seconds late that a crowded machine is forgiven
SUM = sum(number * number for number in range(1, 1001))

# By name: the folder, its handler, and what the blocking call returns.
WAITS = {
    "sleep": ("waits", "handler.sleep", None),
    "event": ("waits", "handler.event_wait", False),
    "select": ("waits", "handler.select_call", [0, 0, 0]),
    "pause": ("waits", "handler.pause", ["alarm"]),
    "poll": ("waits", "handler.poll", []),
    "asyncio": ("waits", "handler.coroutines", ["first", "second"]),
    "threads": ("waits", "handler.threads", "from the timer"),
    "child": ("waits", "handler.child", 0),
    "sigtimedwait": ("waits", "handler.sigwait", None),
    "nodejs": ("waits-node", "index.handler", None),
}

# It wakes up between, and waits for --blocked-after in memory each time: more than 3 s in all.
SETTINGS = {"threads": {"timeout": 30}, "asyncio": {"timeout": 30}}


class Blocked(harness.NodeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        native = cls.node.home / "native"
        native.mkdir()
        harness.run([harness.EXAMPLES / "native" / "build.sh", native])
        cls.node.deploy("native", native)
        for name, (folder, handler, _) in WAITS.items():
            cls.node.deploy(name, folder, handler, **SETTINGS.get(name, {}))
        with concurrent.futures.ThreadPoolExecutor(len(WAITS) + 1) as pool:
            cls.calls = {name: pool.submit(cls.follow, name) for name in [*WAITS, "native"]}
            # The moment that a user is meant to see.
            harness.eventually(lambda: len(cls.node.ps(state="SUSPENDED")) == len(cls.calls) or
                               all(call.done() for call in cls.calls.values()), 120, "all asleep")
            cls.node.godwit("ps")

    @classmethod
    def follow(cls, name):
        """One call: what was seen of it while it was put away, and what it answered."""
        node = cls.node
        # The walls are up and the runtime is warm, so that the call's time is the wait's.
        node.invoke(name, {"seconds": 0.01}, quiet=True)
        before = node.wait_for(function=name, state="READY")
        process = harness.process_of(before["pid"])
        begun = time.monotonic()
        answer = node.later("invoke", name, json.dumps({"seconds": SECONDS}))
        row = node.wait_for(function=name, state="SUSPENDED", within=SECONDS + 60)
        instance = row["instance"]

        def nothing_held():
            held = {"process": harness.process_of(before["pid"]) == process,
                    "pids": node.cgroup_pids(instance), "memory": node.cgroup_memory(instance)}
            return held, not any(held.values())
        held = harness.last(nothing_held, 5)
        done = answer.result()
        return {"before": before, "row": row, "done": done, "held": held,
                "late": time.monotonic() - begun - SECONDS}

    def check(self, name):
        """What was seen of the call, and its answer; both are as they should be."""
        seen = self.calls[name].result()
        before, row, done = seen["before"], seen["row"], seen["done"]
        self.assertGreater(before["memory_bytes"], 50_000)
        self.assertEqual(row["pid"], 0)
        self.assertEqual(seen["held"], {"process": False, "pids": [], "memory": 0})
        self.assertGreater(row["image_bytes"], 10_000)
        self.assertTrue(row["request_id"])
        self.assertEqual((done.code, done.err), (0, ""))
        answer = json.loads(done.out)
        harness.say(f"{name}: held {before['memory_bytes'] / 1e6:.1f} MB, "
                    f"put away {row['image_bytes'] / 1e6:.2f} MB; "
                    f"answered {seen['late'] * 1000:.0f} ms late")
        self.assertGreater(seen["late"], 0)
        self.assertLess(seen["late"], GENEROUS)
        return row, answer

    def check_wait(self, name):
        row, answer = self.check(name)
        self.assertEqual(answer["sum"], SUM)
        self.assertEqual(answer["returned"], WAITS[name][2])
        put_away = harness.seconds_of(row["since"]) - answer["asleep"]
        slept = answer["awake"] - answer["asleep"]
        harness.say(f"{name}: put away {put_away:.2f} s after it fell asleep; slept {slept:.4f} s "
                    f"of {SECONDS:g}")
        self.assertGreater(slept, SECONDS - 0.002)  # Node.js tells whole milliseconds
        self.assertLess(slept, SECONDS + GENEROUS)
        return row, answer

    def check_deadline(self, name):
        row, answer = self.check_wait(name)
        due = harness.seconds_of(row["wakes_at"]) - answer["asleep"]
        self.assertLess(abs(due - SECONDS), 1)

    def test_python_sleep(self):
        self.check_deadline("sleep")

    def test_python_event_wait(self):
        self.check_deadline("event")

    def test_python_select(self):
        self.check_deadline("select")

    def test_python_pause_with_setitimer(self):
        self.check_deadline("pause")

    def test_python_poll(self):
        self.check_deadline("poll")

    def test_python_asyncio(self):
        self.check_wait("asyncio")

    def test_python_threads(self):
        self.check_wait("threads")

    def test_python_child_process(self):
        self.check_deadline("child")

    def test_python_sigtimedwait(self):
        self.check_deadline("sigtimedwait")

    def test_nodejs_timer(self):
        self.check_deadline("nodejs")

    def test_native_sleep_for(self):
        row, answer = self.check("native")
        self.assertEqual(answer, {"primes": 9592, "largest": 99991})
        self.assertTrue(row["wakes_at"])


if __name__ == "__main__":
    harness.main()

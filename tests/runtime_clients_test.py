"""The runtime clients of AWS, unmodified, and our own in one header: functions that speak through
them are put away ten times in the middle of one call, at random moments, and answer rightly; and
once by themselves.

GODWIT_TEST_SEED says which moments.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import time

import harness

HERE = harness.ROOT / "tests" / "runtime_clients"
BUILT = pathlib.Path("/usr/local/lib/godwit/runtime_clients")  # by scripts/setup --tests
SEED = int(os.environ.get("GODWIT_TEST_SEED", "0")) or random.randrange(1, 1 << 32)
SUSPENSIONS = 10
STEPS, PAUSE = 30, 1.0  # longer than the waits between all moves
SECONDS = STEPS * PAUSE  # of a call that sleeps once
AT_MOST = 0.2  # seconds that a call is let run, or stay away, between two moves
WAIT = 4.0  # seconds of a call that is put away by itself


def squares(steps):
    return sum(number * number for number in range(1, steps + 1))


def add_nodejs(folder):
    shutil.copytree(HERE / "nodejs", folder)
    for package in ("aws-lambda-ric", "@aws/lambda-invoke-store"):  # all that it loads
        shutil.copytree(BUILT / "node_modules" / package, folder / "node_modules" / package,
                        ignore=shutil.ignore_patterns("deps", "src"))


def add_cpp(folder):
    folder.mkdir()
    done = harness.run(["g++", "-std=c++17", "-O2", "-Wall", f"-I{BUILT}/cpp/include", "-o",
                        folder / "bootstrap", HERE / "handler.cc", f"-L{BUILT}/cpp/lib",
                        "-laws-lambda-runtime", "-lcurl", "-pthread"])
    assert done.code == 0, done.err


def add_native(folder):
    folder.mkdir()
    done = harness.run([harness.EXAMPLES / "native" / "build.sh", folder])
    assert done.code == 0, done.err


class RuntimeClients(harness.NodeCase):

    flags = harness.PLAIN

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.say(f"GODWIT_TEST_SEED={SEED}")
        cls.built = (BUILT / "package-lock.json").exists()
        add = {"native": add_native}
        if cls.built:
            add.update(nodejs=add_nodejs, cpp=add_cpp)
        for name, build in add.items():
            build(cls.node.home / name)
            for kind in ("", "-alone"):
                cls.node.ok("deploy", cls.node.home / name, "--name", name + kind, "--timeout",
                            "120", "--runtime", "provided", "--handler", "index.handler")
        # All at the same time: they wait, mostly.
        with concurrent.futures.ThreadPoolExecutor(2 * len(add)) as pool:
            cls.by_hand = {name: pool.submit(cls.move_by_hand, name) for name in add}
            cls.alone = {name: pool.submit(cls.wait_alone, name + "-alone") for name in add}

    @classmethod
    def move_by_hand(cls, name):
        """One call that is put away again and again: the moves that were made, and its answer."""
        node, moments = cls.node, random.Random(f"{SEED} {name}")
        event = {"steps": STEPS, "pause": PAUSE}
        if name == "native":
            event = {"limit": 100_000, "seconds": SECONDS}
        node.invoke(name, {"steps": 1, "pause": 0.01, "limit": 10}, quiet=True)
        request = node.submit(name, event)
        row = node.wait_for(request_id=request, function=name)
        moves = 0
        while moves < SUSPENSIONS:
            time.sleep(moments.uniform(0, AT_MOST))
            done = node.godwit("suspend", row["instance"], "--json")
            if done.code == 0:
                moved = json.loads(done.out)
                assert moved["instance"]["state"] == "SUSPENDED", moved
                if moved["instance"]["request_id"] != request:
                    break  # it has ended: too few
                moves += 1
            else:
                assert done.code in (7, 9), done  # its next step comes, or has just come
            time.sleep(moments.uniform(0, AT_MOST))
            # Refused if it is back by itself, for its next step.
            node.godwit("resume", row["instance"])
        record = node.result(request)
        # And while it waits for its next call.
        harness.eventually(lambda: node.godwit("suspend", row["instance"]).code == 0 or
                           node.ps(instance=row["instance"], state="SUSPENDED"), 30, "its rest")
        again = node.invoke(name, {"steps": 2, "pause": 0.01, "limit": 10})
        return moves, request, record, again

    @classmethod
    def wait_alone(cls, name):
        """One call that is put away by itself: the row while it is away, and its answer."""
        event = {"steps": 1, "pause": WAIT}
        if name.startswith("native"):
            event = {"limit": 100_000, "seconds": WAIT}
        request = cls.node.submit(name, event)
        row = cls.node.wait_for(request_id=request, state="SUSPENDED")
        return row, request, cls.node.result(request)

    def check_answer(self, request, record, steps):
        self.assertEqual(record["status"], "SUCCEEDED", record)
        self.assertEqual(record["result"], {"sum": squares(steps), "awsRequestId": request})

    def check_client(self, name):
        if not self.built:
            self.skipTest(f"'{BUILT}' is not there (scripts/setup --tests says why)")
        moves, request, record, again = self.by_hand[name].result()
        self.check_answer(request, record, STEPS)
        self.assertEqual((moves, again["sum"]), (SUSPENSIONS, squares(2)))
        row, request, record = self.alone[name].result()
        self.check_answer(request, record, 1)
        self.assertTrue(row["wakes_at"], row)

    def test_aws_lambda_ric(self):
        self.check_client("nodejs")

    def test_aws_lambda_cpp(self):
        self.check_client("cpp")

    def test_lambda_runtime_h(self):
        right = {"primes": 9592, "largest": 99991}
        moves, _, record, again = self.by_hand["native"].result()
        self.assertEqual((record["status"], record["result"]), ("SUCCEEDED", right), record)
        self.assertEqual((moves, again["primes"]), (SUSPENSIONS, 4))
        row, _, record = self.alone["native"].result()
        self.assertEqual((record["status"], record["result"]), ("SUCCEEDED", right), record)
        self.assertTrue(row["wakes_at"], row)


if __name__ == "__main__":
    harness.main()

"""Functions that are moved by hand at random moments while they are called: no wrong answer.

Each example is called without a pause by two callers (the counter by one, whose count must have no
gap), while two hands put away and bring back whatever they find, and a third takes and gives back
memory of the machine. An answer that is wrong or does not come counts.
"""
import http.client
import json
import mmap
import os
import random
import subprocess
import threading
import time

from sides.comparison import Mark, compare
from sides.node import Node, path_of

MOVES = 1000  # of each example
ANSWER_WITHIN = 60  # seconds
BALLAST = 512 << 20  # bytes taken and given back


def is_next(seen):
    """Whether the counter has counted each call once."""
    last = seen.get("call", 0)
    seen["call"] = seen["answer"]["call"]
    return seen["call"] == last + 1


EXAMPLES = {  # event of a call, whether its answer is right, callers
    "greeter": ({"name": "soak"}, lambda seen: seen["answer"] == {"greeting": "Hello, soak!"}, 2),
    "reminder": ({"text": "t", "seconds": 0.4}, lambda seen: seen["answer"]["sum"] == 385, 2),
    "native": (
        {"limit": 2000, "seconds": 0.3},
        lambda seen: seen["answer"] == {"primes": 303, "largest": 1999},
        2,
    ),
    "counter-node": ({}, is_next, 1),
}


class Soak:
    def __init__(self, node):
        self.node = node
        self.ended = threading.Event()
        self.answers = self.wrong = self.moves = 0
        self.notes = []

    def call(self, name, event, right):
        seen = {}
        connection = http.client.HTTPConnection(self.node.address, timeout=ANSWER_WITHIN)
        while not self.ended.is_set():
            try:
                connection.request("POST", path_of(name), json.dumps(event))
                response = connection.getresponse()
                seen["answer"] = json.loads(response.read())
                good = response.status == 200 and not response.headers["X-Amz-Function-Error"]
                good = good and right(seen)
            except (OSError, http.client.HTTPException, KeyError, TypeError) as error:
                good, seen["answer"] = False, repr(error)
                connection.close()
            self.answers += 1
            if not good:
                self.wrong += 1
                self.notes.append(f"{name}: {seen['answer']}")

    def shake(self, wanted):
        connection = http.client.HTTPConnection(self.node.address, timeout=ANSWER_WITHIN)

        def ask(method, path):
            connection.request(method, f"/godwit/v1/{path}")
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        while self.moves < wanted:
            rows = ask("GET", "instances")[1]
            for row in random.sample(rows, min(3, len(rows))):
                verb = "resume" if row["state"] == "SUSPENDED" else "suspend"
                self.moves += ask("POST", f"instances/{row['instance']}/{verb}")[0] == 200
        # What was put away by hand in the middle of its work waits for a hand.
        while not self.ended.wait(0.05):
            for row in ask("GET", "instances")[1]:
                if row["state"] == "SUSPENDED" and row["request_id"] and not row["wakes_at"]:
                    ask("POST", f"instances/{row['instance']}/resume")

    def squeeze(self):
        while not self.ended.wait(0.5):
            with mmap.mmap(-1, BALLAST) as ballast:
                for at in range(0, BALLAST, mmap.PAGESIZE):
                    ballast[at] = 1


def soak(bench, name, wanted):
    event, right, callers = EXAMPLES[name]
    folder = os.path.join(bench.root, "examples", name)
    if name == "native":
        program = os.path.join(folder, "build.sh")
        folder = bench.folder("code")
        os.makedirs(folder)
        subprocess.run([program, folder], check=True, capture_output=True)
    flags = ["--blocked-after", "150ms", "--idle-after", "200ms"]
    with Node(bench.godwit, bench.folder(name), flags) as node:
        node.deploy(name, folder)
        if callers == 1:
            node.limit(name, 1)
        run = Soak(node)
        hands = [threading.Thread(target=run.shake, args=(wanted,)) for _ in range(2)]
        others = [threading.Thread(target=run.squeeze)]
        for _ in range(callers):
            others.append(threading.Thread(target=run.call, args=(name, event, right)))
        for thread in hands + others:
            thread.start()
        while run.moves < wanted and any(thread.is_alive() for thread in hands):
            bench.progress(f"moving {name}", run.moves, wanted)
            time.sleep(0.2)  # between two words to the terminal
        time.sleep(1)  # calls go on after the last move
        run.ended.set()
        for thread in others + hands:
            thread.join()
    return run


def measure(bench):
    wanted = 50 if bench.quick else MOVES
    results = []
    for name in EXAMPLES:
        run = soak(bench, name, wanted)
        line = compare(f"wrong answers, {name}, {wanted:,} moves by hand", "", ["Godwit"], Mark(0),
                       note="; ".join(run.notes[:3]))
        line.of("Godwit").add(run.wrong)
        calls = compare(f"answers meanwhile, {name}", "", ["Godwit"])
        calls.of("Godwit").add(run.answers)
        results += [line, calls]
    return results

"""Functions that are moved by hand at random moments while they are called: no wrong answer.

Each example is called without a pause by two callers (the counter by one), while two hands put away
and bring back whatever they find, mostly to disk, at times into another tier; the node has a memory
budget that one instance uses up, and a third hand takes and gives back memory of the machine. An
answer that is wrong or does not come counts.
"""
import http.client
import itertools
import json
import mmap
import os
import random
import subprocess
import threading
import time

from sides.comparison import Mark, compare
from sides.failed import Failed
from sides.node import Client, Node
from sides.soak_examples import ANSWER_WITHIN, EXAMPLES

CYCLES = 1000  # of each example: times that one of its instances was put away by hand
BALLAST = 512 << 20  # bytes taken and given back
BUDGET = "24M"
NOTE = 500  # characters of what a wrong answer says
AWAY = ("SUSPENDED", "SPILLED", "FROZEN")
WAYS = ("", "", "", "?tier=spilled", "?tier=frozen")


class Soak:
    def __init__(self, node, example):
        self.node = node
        self.example = example
        self.enough = threading.Event()  # no new call
        self.over = threading.Event()  # and none is left
        self.numbers = itertools.count()
        self.answers = self.wrong = self.cycles = self.to_disk = 0
        self.notes = []

    def call(self):
        client = Client(self.node.address, ANSWER_WITHIN)
        while not self.enough.is_set():
            answer = None
            try:
                answer, right = self.example.once(client, next(self.numbers))
            except (Failed, OSError, http.client.HTTPException, ValueError, LookupError, TypeError,
                    subprocess.SubprocessError) as error:
                right, answer = False, answer or repr(error)
            self.answers += 1
            if not right:
                self.wrong += 1
                self.notes.append(f"{self.example.name}: {str(answer)[:NOTE]}")

    def shake(self, wanted):
        client = Client(self.node.address, ANSWER_WITHIN)
        while self.cycles < wanted:
            rows = client.instances()
            for row in random.sample(rows, min(3, len(rows))):
                away = row["state"] in AWAY and random.random() < 0.8  # or from tier to tier
                verb = "resume" if away else "suspend" + random.choice(WAYS)
                done = self.asked(client, row["instance"], verb)
                self.cycles += done and not away
                self.to_disk += done and verb == "suspend"
        # What was put away by hand in the middle of its work waits for a hand.
        while not self.over.wait(0.05):
            for row in client.instances():
                if row["state"] in AWAY and row["request_id"] and not row["wakes_at"]:
                    self.asked(client, row["instance"], "resume")

    @staticmethod
    def asked(client, instance, verb):
        """Whether it was done: what cannot be put away just now is refused."""
        try:
            client.ask("POST", f"/godwit/v1/instances/{instance}/{verb}")
            return True
        except Failed:
            return False

    def squeeze(self):
        while not self.over.wait(0.5):
            with mmap.mmap(-1, BALLAST) as ballast:
                for at in range(0, BALLAST, mmap.PAGESIZE):
                    ballast[at] = 1


def soak(bench, example, wanted):
    folder = os.path.join(bench.root, "examples", example.name)
    if example.name == "native":
        program = os.path.join(folder, "build.sh")
        folder = bench.folder("code")
        os.makedirs(folder)
        subprocess.run([program, folder], check=True, capture_output=True)
    flags = ["--blocked-after", "150ms", "--idle-after", "200ms", "--memory-budget", BUDGET]
    with Node(bench.godwit, bench.folder(example.name), flags) as node:
        node.deploy(example.name, folder, "--timeout", "30", *example.words)
        if example.callers == 1:
            node.limit(example.name, 1)
        run = Soak(node, example)
        callers = [threading.Thread(target=run.call) for _ in range(example.callers)]
        hands = [threading.Thread(target=run.shake, args=(wanted,)) for _ in range(2)]
        squeezer = threading.Thread(target=run.squeeze)
        for thread in (*callers, *hands, squeezer):
            thread.start()
        while run.cycles < wanted and any(thread.is_alive() for thread in hands):
            bench.progress(f"moving {example.name}", run.cycles, wanted)
            time.sleep(0.2)  # between two words to the terminal
        time.sleep(1)  # calls go on after the last move
        run.enough.set()
        for thread in callers:  # while the hands bring back what they have put away
            thread.join()
        run.over.set()
        for thread in (*hands, squeezer):
            thread.join()
    if run.cycles < wanted:
        raise Failed(f"{example.name} was put away {run.cycles} times, not {wanted}")
    return run


def measure(bench):
    wanted = 50 if bench.quick else CYCLES
    results = []
    for name in sorted(os.listdir(os.path.join(bench.root, "examples"))):
        if not os.path.isdir(os.path.join(bench.root, "examples", name)):
            continue
        if name not in EXAMPLES:
            bench.left_out(f"soak of {name}", "soak_examples.py does not know how to call it")
            continue
        try:
            with EXAMPLES[name](bench) as example:
                run = soak(bench, example, wanted)
        except Failed as reason:
            bench.failed = True
            bench.left_out(f"soak of {name}", str(reason))
            continue
        note = f"{run.to_disk:,} times to disk"
        line = compare(f"wrong answers, {name}, put away {run.cycles:,} times", "", ["Godwit"],
                       Mark(0), note="; ".join([note, *run.notes[:3]]), kind="wrong")
        line.series[0].add(run.wrong)
        calls = compare(f"answers meanwhile, {name}", "", ["Godwit"], kind="answers")
        calls.series[0].add(run.answers)
        results += [line, calls]
    return results

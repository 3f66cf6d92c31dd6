"""Suspend and resume of Python functions with heaps of 1 MiB to 1 GiB: how soon one answers, how
soon its memory is there again. Beside it plain CRIU on the same function, turn and turn about: with
an eager restore, and with its own `criu lazy-pages`, whose daemon stands ready.

Every other page of the heap is random, the others are text. All of it is summed up before and after
each way there and back, on all sides: a wrong sum ends the part.
"""
import os
import time

from sides.comparison import Mark, compare
from sides.failed import Failed
from sides.node import Node
from sides.plain_criu import PlainCriu, find_criu
from sides.resident import SHARES, PythonBelow, Watch

SIZES = (1, 16, 64, 256, 1024)  # MiB
ROUNDS = {1: 20, 16: 20, 64: 12, 256: 8, 1024: 5}
QUICK = {1: 3, 16: 3, 64: 2, 256: 2, 1024: 1}
SETTLE = 0.2  # seconds awake, and away
FUNCTION = "bench/functions/heap"
GODWIT, EAGER, LAZY = "Godwit", "plain CRIU", "criu lazy-pages"
SUSPEND, ANSWER = "suspend, until its memory is free", "suspend, until its answer"
FIRST, MOST, ALL = "first response", "90 % of its memory there", "all of its memory there"
FIRST_MARK, ALL_MARK = 1.5, 1.5
NOTE = (
    "Heaps: the times of a way back begin with the call that brings it back (Godwit) or with the "
    "start of `criu restore`, and end with the answer of the call, or when so much of the "
    "process's anonymous memory is resident; `all` is 99 %."
)


def measure(bench):
    results = []
    firsts = {}
    for mib in SIZES:
        members = of_size(bench, mib, (QUICK if bench.quick else ROUNDS)[mib])
        firsts[mib] = next(part for part in members if part.kind == FIRST).of(GODWIT).samples
        results += members
    # What is promised of the largest is promised beside one that fits into a blink.
    sides = [f"Godwit, {SIZES[-1]:,} MiB", "Godwit, 16 MiB"]
    grows = compare("first response, the largest heap", "ms", sides,
                    Mark(FIRST_MARK, peer=sides[1]), NOTE)
    grows.series[0].samples, grows.series[1].samples = firsts[SIZES[-1]], firsts[16]
    return results + [grows]


def of_size(bench, mib, rounds):
    def line(kind, sides, marks=()):
        return compare(f"{kind}, heap of {mib:,} MiB", "ms", sides, marks, kind=kind, at=mib)

    results = {
        SUSPEND: line(SUSPEND, [GODWIT, EAGER]),
        ANSWER: line(ANSWER, [GODWIT]),
        FIRST: line(FIRST, [GODWIT, LAZY, EAGER]),
        MOST: line(MOST, [GODWIT, LAZY, EAGER]),
        ALL: line(ALL, [GODWIT, LAZY, EAGER], Mark(ALL_MARK, peer=EAGER)),
    }
    flags = ["--keep-awake", "--prebake", "off"]
    with (
        Node(bench.godwit, bench.folder("heaps"), flags) as node,
        PlainCriu(find_criu(), bench.folder("criu"), bench.root, FUNCTION) as criu,
    ):
        ours = Ours(node, os.path.join(bench.root, FUNCTION), mib)
        theirs = Theirs(criu, mib)
        for turn in range(-1, rounds):  # the first one fills caches
            bench.progress(f"heap of {mib} MiB", turn, rounds)
            taken = [
                (GODWIT, ours.there_and_back()),
                (EAGER, theirs.there_and_back(criu.watched)),
                (LAZY, theirs.there_and_back(criu.lazy)),
            ]
            for side, seen in taken:
                for kind, value in seen.items():
                    if turn >= 0 and side in [series.side for series in results[kind].series]:
                        results[kind].of(side).add(value)
    return list(results.values())


def back(watch, answered):
    if len(watch) < len(SHARES):
        raise Failed(f"only {len(watch)} of {len(SHARES)} parts of a heap came back")
    return {FIRST: answered, MOST: watch[0], ALL: watch[1]}


class Ours:
    def __init__(self, node, folder, mib):
        self.node = node
        node.deploy("heap", folder, "--memory", str(2 * mib + 256), "--timeout", "300")
        node.limit("heap", 1)
        self.sum = node.invoke("heap", b'{"mib": %d}' % mib)
        node.invoke("heap")
        self.instance = node.instances()[0]["instance"]

    def there_and_back(self):
        function = PythonBelow(self.node.pid)
        whole = function.bytes()
        time.sleep(SETTLE)
        away = self.node.move("suspend", self.instance)
        if function.bytes() > whole / 2:
            raise Failed("a suspended function still has its memory")
        time.sleep(SETTLE)
        with Watch(function.bytes, whole) as watch:
            self.node.invoke("heap")
            answered = watch.elapsed()
        check(self.node.invoke("heap", b'{"whole": true}'), self.sum)
        return {
            SUSPEND: away["took_us"] / 1e3,
            ANSWER: away["wall_ms"],
            **back(list(watch.reached.values()), answered),
        }


class Theirs:
    def __init__(self, criu, mib):
        self.criu = criu
        self.sum = criu.call({"mib": mib})

    def there_and_back(self, restore):
        time.sleep(SETTLE)  # or it is dumped before it has acknowledged our last word
        dumped = self.criu.dump()
        time.sleep(SETTLE)
        seen = restore()
        check(self.criu.call({"whole": True}), self.sum)
        return {SUSPEND: dumped["ms"], **back(seen["resident_ms"], seen["answered_ms"])}


def check(now, before):
    if now != before:
        raise Failed("a heap has changed on its way to disk and back")

"""Warm calls through the whole node, beside a bare HTTP server on the same stack.

The rate is taken with 16 callers at once, the time a call takes with one. A round is a few seconds
of each side, one after the other.
"""
import os
import subprocess

from sides import wrk
from sides.comparison import Mark, compare
from sides.node import Node

CALLERS = 16
BARE = "bare HTTP server"
GODWIT = "Godwit"
FUNCTIONS = {"native": "native no-op", "python": "Python no-op"}
LEAST = {"native": 15_000, "python": 5_000}  # calls a second
MOST_MS = 0.3  # that one call takes


class EchoServer:
    def __init__(self, program):
        self.program = program

    def __enter__(self):
        self.process = subprocess.Popen([self.program], stdout=subprocess.PIPE, text=True)
        self.url = f"http://{self.process.stdout.readline().strip()}/"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def deploy(bench, node):
    node.deploy("python", os.path.join(bench.root, "bench/functions/python"))
    native = bench.folder("native")
    os.makedirs(native)
    os.link(bench.noop, os.path.join(native, "bootstrap"))
    node.deploy("native", native)


def measure(bench):
    if not wrk.is_there():
        return bench.left_out("warm calls", "wrk is not installed (run scripts/setup)")
    rounds, seconds = (2, 1) if bench.quick else (5, 3)
    rates, middles, tails = {}, {}, {}
    for name, what in FUNCTIONS.items():
        mark = Mark(LEAST[name], at_most=False)
        sides = [GODWIT, BARE]
        rates[name] = compare(f"warm calls, {what}, {CALLERS} callers", "/s", sides, mark)
        middles[name] = compare(f"warm call, {what}, one caller, p50", "ms", sides, Mark(MOST_MS))
        tails[name] = compare(f"warm call, {what}, one caller, p99", "ms", sides)

    def note(load, alone, name, side):
        rates[name].of(side).add(load.rate)
        middles[name].of(side).add(alone.p50_ms)
        tails[name].of(side).add(alone.p99_ms)

    with (
        Node(bench.godwit, bench.folder("warm"), ["--keep-awake"]) as node,
        EchoServer(bench.echo_server) as echo,
    ):
        deploy(bench, node)
        for name in FUNCTIONS:
            wrk.warm_up(node.url(name), CALLERS, 3)
        for turn in range(rounds):
            bench.progress("warm calls", turn, rounds)
            bare = [wrk.post(echo.url, callers, seconds) for callers in (CALLERS, 1)]
            for name in FUNCTIONS:
                loads = [wrk.post(node.url(name), callers, seconds) for callers in (CALLERS, 1)]
                note(*loads, name, GODWIT)
                note(*bare, name, BARE)
    return [part[name] for name in FUNCTIONS for part in (rates, middles, tails)]

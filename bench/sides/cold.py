"""Cold starts: the first call of a function that has no instance, beside starting the bare
interpreter to do nothing. Each round deploys a function of its own; only its call is timed."""
import os
import subprocess
import time

from sides.comparison import compare
from sides.node import Node

# Name: what Godwit runs, the peer, and the peer's command.
SIDES = {
    "native": ("native", "/bin/true", ["/bin/true"]),
    "Python": ("bench/functions/python", "python3 -c pass", ["/usr/bin/python3", "-c", "pass"]),
    "Node.js": ("bench/functions/node", "node -e 0", ["/usr/bin/node", "-e", "0"]),
}


def timed(work, *arguments):
    begun = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - begun) * 1e3


def run(command):
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


def measure(bench):
    rounds = 3 if bench.quick else 20
    native = bench.folder("native")
    os.makedirs(native)
    os.link(bench.noop, os.path.join(native, "bootstrap"))
    sides = {name: side for name, side in SIDES.items() if os.path.exists(side[2][0])}
    results = {
        name: compare(f"cold start, {name} no-op", "ms", ["Godwit, first call", peer], kind="no-op")
        for name, (_, peer, _) in sides.items()
    }
    with Node(bench.godwit, bench.folder("cold"), ["--keep-awake"]) as node:
        for turn in range(-1, rounds):
            bench.progress("cold starts", turn, rounds)
            for name, (folder, peer, command) in sides.items():
                node.deploy("cold", native if folder == "native" else f"{bench.root}/{folder}")
                called, started = timed(node.invoke, "cold"), timed(run, command)
                node.remove("cold")
                if turn >= 0:
                    results[name].series[0].add(called)
                    results[name].of(peer).add(started)
    return list(results.values())

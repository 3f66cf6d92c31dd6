"""Each tier's way there and back, for an idle Python function with a heap of 1 and of 64 MiB,
beside `docker pause` and `unpause` of a container with the same heap.

All times are what the caller sees: of `godwit suspend --tier` and `resume` over Godwit's API, and
of the Engine's calls over its own. A suspended function's memory is free before its answer comes;
that moment stands beside it.
"""
import os
import time

from sides.comparison import compare
from sides.docker_engine import Engine, NoEngine
from sides.node import Node
from sides.plain_criu import find_criu

MIB = 2**20
SIZES = (1, 64)  # MiB
TIERS = {"FROZEN": "?tier=frozen", "SPILLED": "?tier=spilled", "SUSPENDED": ""}
FREE = "SUSPENDED, until its memory is free"
DOCKER, UNPAUSE = "docker pause", "docker unpause"
AWAKE = "awake"
THERE, BACK, CALL, HELD = "way there", "way back", "call", "memory held"
SETTLE = 0.1  # seconds between two moves


def measure(bench):
    rounds = 3 if bench.quick else 20
    results = []
    for mib in SIZES:
        lines = lines_of(mib)
        ours(bench, mib, rounds, lines)
        results.append(lines)
    try:
        with Engine(bench.folder("docker"), bench.cache("docker"), find_criu()) as engine:
            engine.import_image()
            for mib, lines in zip(SIZES, results):
                theirs(bench, engine, mib, rounds, lines)
    except NoEngine as reason:
        bench.left_out("docker pause", str(reason))
    return [line for lines in results for line in lines.values()]


def lines_of(mib):
    """By kind: empty comparisons."""
    names = {
        THERE: ("way there by hand", "ms", [*TIERS, FREE, DOCKER]),
        BACK: ("way back by hand", "ms", [*TIERS, UNPAUSE]),
        CALL: ("call of one that is away, to its answer", "ms", [*TIERS, AWAKE]),
        HELD: ("memory held while away", "MiB", [*TIERS, AWAKE, DOCKER]),
    }
    return {
        kind: compare(f"{what}, heap of {mib} MiB", unit, sides, kind=kind, at=mib)
        for kind, (what, unit, sides) in names.items()
    }


def ours(bench, mib, rounds, lines):
    with Node(bench.godwit, bench.folder("tiers"), ["--keep-awake", "--prebake", "off"]) as node:
        folder = os.path.join(bench.root, "bench/functions/heap")
        node.deploy("heap", folder, "--memory", str(2 * mib + 256), "--timeout", "60")
        node.limit("heap", 1)
        node.invoke("heap", b'{"mib": %d}' % mib)
        instance = node.instances()[0]["instance"]
        for turn in range(-1, rounds):  # the first one fills caches
            bench.progress(f"tiers, heap of {mib} MiB", turn, rounds)
            for tier, query in TIERS.items():
                seen = there_and_back(node, instance, tier, query)
                for kind, side, value in seen if turn >= 0 else []:
                    lines[kind].of(side).add(value)


def there_and_back(node, instance, tier, query):
    """Kind, side and value of each thing seen on one way away, back, away, and back by a call."""
    time.sleep(SETTLE)
    awake = timed_call(node)
    time.sleep(SETTLE)
    away = node.move("suspend" + query, instance)
    time.sleep(SETTLE)
    held = node.instances()[0]["memory_bytes"]
    again = node.move("resume", instance)
    time.sleep(SETTLE)
    node.move("suspend" + query, instance)
    time.sleep(SETTLE)
    called = timed_call(node)
    seen = [
        (THERE, tier, away["wall_ms"]),
        (BACK, tier, again["wall_ms"]),
        (CALL, tier, called),
        (CALL, AWAKE, awake),
        (HELD, tier, held / MIB),
        (HELD, AWAKE, away["memory_before"] / MIB),
    ]
    return seen + ([(THERE, FREE, away["took_us"] / 1e3)] if tier == "SUSPENDED" else [])


def timed_call(node):
    begun = time.perf_counter()
    node.invoke("heap")
    return (time.perf_counter() - begun) * 1e3


def theirs(bench, engine, mib, rounds, lines):
    container = engine.start_container(f"import os; heap = bytearray(os.urandom({mib} << 20))")
    for turn in range(-1, rounds):
        bench.progress(f"docker pause, heap of {mib} MiB", turn, rounds)
        time.sleep(SETTLE)
        paused = container.pause()
        held = container.memory_mib()
        time.sleep(SETTLE)
        back = container.unpause()
        if turn >= 0:
            lines[THERE].of(DOCKER).add(paused)
            lines[BACK].of(UNPAUSE).add(back)
            lines[HELD].of(DOCKER).add(held)
    engine.remove(container)

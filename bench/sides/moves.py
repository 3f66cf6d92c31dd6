"""Suspend and resume of the Python greeter: Godwit beside plain CRIU, turn and turn about.

Both sides keep their images on the same disk, and both processes are called between two rounds, to
see that they are alive.
"""
import os
import time

from sides.comparison import Mark, compare
from sides.node import Node
from sides.plain_criu import PlainCriu, find_criu

MIB = 2**20
SUSPEND_NOTE = (
    "A suspension is over for Godwit when the processes are gone and their memory is free; its "
    "answer comes when the image, compressed and encrypted, is written, its row is in the journal, "
    "and what the kernel cached for them is given back. CRIU does none of these."
)
SETTLE = 0.1  # seconds: what is put away has been idle or asleep for a while
# The Docker Engine's figures (docker.py) stand in the same comparisons.
SUSPEND = "suspend, Python greeter"
RESUME = "resume, Python greeter"
MEMORY = "memory held, Python greeter"
SUSPEND_MARKS = (
    Mark(1.2, peer="plain CRIU"),
    Mark(1, peer="docker pause"),
    Mark(1 / 8, peer="docker checkpoint"),
)
RESUME_MARKS = (Mark(1.3, peer="plain CRIU"), Mark(0.5, peer="docker unpause"))


def measure(bench):
    rounds = 5 if bench.quick else 40
    took, wall = "Godwit", "Godwit, until its answer"
    sides = [took, wall, "plain CRIU"]
    suspend = compare(SUSPEND, "ms", sides, SUSPEND_MARKS, SUSPEND_NOTE)
    resume = compare(RESUME, "ms", sides, RESUME_MARKS)
    call = compare("call of a suspended function", "ms", ["Godwit"])
    image = compare("image, Python greeter", "MiB", ["Godwit", "plain CRIU"])
    memory = compare(MEMORY, "MiB", ["Godwit, suspended", "Godwit, awake"])
    greeter = os.path.join(bench.root, "examples/greeter")
    with (
        Node(bench.godwit, bench.folder("moves"), ["--keep-awake"]) as node,
        PlainCriu(find_criu(), bench.folder("criu"), bench.root) as criu,
    ):
        node.deploy("greeter", greeter)
        node.limit("greeter", 1)
        node.invoke("greeter")
        instance = node.instances()[0]["instance"]
        for turn in range(-2, rounds):  # the first ones fill caches
            bench.progress("suspend and resume", turn, rounds)
            time.sleep(SETTLE)
            away, dumped = node.move("suspend", instance), criu.dump()
            back, restored = node.move("resume", instance), criu.restore()
            node.invoke("greeter")
            time.sleep(SETTLE)
            node.move("suspend", instance)
            begun = time.perf_counter()
            node.invoke("greeter")
            called = (time.perf_counter() - begun) * 1e3
            if turn < 0:
                continue
            for into, report, plain in ((suspend, away, dumped), (resume, back, restored)):
                into.of(took).add(report["took_us"] / 1e3)
                into.of(wall).add(report["wall_ms"])
                into.of("plain CRIU").add(plain["ms"])
            call.series[0].add(called)
            image.of("Godwit").add(away["instance"]["image_bytes"] / MIB)
            image.of("plain CRIU").add(dumped["bytes"] / MIB)
            memory.series[0].add(away["memory_after"] / MIB)
            memory.series[1].add(away["memory_before"] / MIB)
    return [suspend, resume, call, image, memory]

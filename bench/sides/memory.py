"""What the daemon itself takes while many functions are put away in the middle of a call."""
import json
import os
import time

from sides.comparison import Mark, compare
from sides.node import Node, wait_for

LIMIT = 40  # MiB


def measure(bench):
    count = 20 if bench.quick else 200
    resident = compare(
        f"memory of the node, {count} suspended", "MiB", ["Godwit", "before any call"], Mark(LIMIT)
    )
    walls = compare(f"memory of their waiting walls, {count}", "MiB", ["Godwit"])
    flags = ["--blocked-after", "300ms"]
    with Node(bench.godwit, bench.folder("memory"), flags) as node:
        node.deploy("sleeper", os.path.join(bench.root, "examples/reminder"), "--timeout", "900")
        before = node.rss_mib()
        event = json.dumps({"seconds": 24 * 3600}).encode()
        for _ in range(count):
            node.start_call("sleeper", event)

        def all_away():
            states = [instance["state"] for instance in node.instances()]
            away = states.count("SUSPENDED")
            bench.progress("putting away", away, count)
            return away == count

        wait_for(all_away, f"{count} functions to be put away", 900)
        for _ in range(5):
            time.sleep(0.5)  # five looks, for a spread
            resident.of("Godwit").add(node.rss_mib())
            resident.of("before any call").add(before)
            walls.series[0].add(sum(map(pss_mib, children_of(node.pid))))
    return [resident, walls]


def children_of(pid):
    children = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as line:
            children += line.read().split()
    return children


def pss_mib(pid):
    """Its share of the memory it uses."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

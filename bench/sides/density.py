"""How many functions fit into 256 MiB, each of them waiting: in memory, frozen, on disk.

What one more function takes is what is charged to its control group, what its sandbox's first
process has of its own, what the daemon has grown by, and what the kernel has: its slabs that cannot
be given back, stacks and page tables. Of a container: its control group and its shim. What is there
once, the daemon and its code or the Engine, is not counted on either side.
"""
import contextlib
import datetime
import glob
import json
import os
import subprocess
import time

from sides.comparison import Mark, compare
from sides.docker_engine import Engine, NoEngine
from sides.failed import Failed
from sides.memory import children_of, pss_mib
from sides.node import Node, wait_for
from sides.plain_criu import find_criu
from sides.servers import GATEWAY, broker, long_poll, no_server
from sides.stats import quantile

BUDGET = 256  # MiB
TIERS = ("running", "FROZEN", "SPILLED", "SUSPENDED")
SPILLED_MARK, SUSPENDED_MARK = 5, 50  # times docker pause
SLEEPERS_LIMIT = 64  # MiB of the daemon
APART = 1  # seconds between the moments that two of them wait for
EXACT = 0.1  # seconds: a function may be interrupted between its look at the clock and its sleep
# Enough of them that what changes on a machine meanwhile does not matter.
COUNTS = {"running": 15, "FROZEN": 15, "SPILLED": 15, "SUSPENDED": 120}
SETTLE = 5  # seconds: empty walls go, and the daemon gives back what is free
LOOKS = 5  # at the footprint, whose spread is what the rest of the machine does


def measure(bench):
    docker = docker_pause(bench)
    results = []
    for kind, server in (("timer", no_server), ("MQTT", broker), ("HTTP", long_poll)):
        sides = [tier for tier in TIERS if knows(bench, tier)]
        sides += ["docker pause"] if docker else []
        title = f"functions that wait for {kind}, in {BUDGET} MiB"
        comparison = compare(title, "", sides, kind=kind)
        for tier in (side for side in sides if side in TIERS):
            with server(bench) as port:
                each = tier_mib(bench, tier, kind, port)
            if each is not None:
                comparison.of(tier).add(BUDGET / each)
        if docker:
            comparison.of("docker pause").add(BUDGET / docker)
        comparison.series = [series for series in comparison.series if series.samples]
        results += marked(comparison)
    return results + sleepers(bench)


def marked(comparison):
    """One line of thought a tier with a mark, so that the report says whether it was reached."""
    peers = {series.side: series for series in comparison.series}
    results = [comparison]
    for tier, times in (("SPILLED", SPILLED_MARK), ("SUSPENDED", SUSPENDED_MARK)):
        if tier in peers and "docker pause" in peers:
            mark = Mark(times, at_most=False, peer="docker pause")
            one = compare(f"{comparison.what}: {tier}", "", [tier, "docker pause"], mark)
            one.series = [peers[tier], peers["docker pause"]]
            results.append(one)
    return results


def knows(bench, tier):
    """Whether this program has the tier; the report says so if not."""
    if tier in ("running", "SUSPENDED"):
        return True
    known = subprocess.run([bench.godwit, "suspend", "--help"], capture_output=True, text=True,
                           check=False).stdout
    if "--tier" in known:
        return True
    if tier not in (what for what, _ in bench.reasons):
        bench.left_out(tier, "this godwit has no `suspend --tier`")
    return False


def tier_mib(bench, tier, kind, port):
    """What one more function takes; None if it is not to be had, and the report says so."""
    count = COUNTS[tier] // (5 if bench.quick else 1)
    flags = ["--keep-awake", "--kept-walls", "0", "--blocked-after", "200ms"]
    with Node(bench.godwit, bench.folder("density"), flags) as node:
        deploy(bench, node, kind)
        call(node, kind, 0, port)  # what comes once, with the first
        move(node, tier)
        before = footprints(node)
        for number in range(1, count + 1):
            call(node, kind, number, port)
        try:
            move(node, tier)
        except Failed as reason:
            bench.left_out(f"{tier}, {kind}", str(reason))
            return None
        after = footprints(node)
        taken = quantile(after, 0.5) - quantile(before, 0.5)
        unrest = max(after) - min(after) + max(before) - min(before)
        if taken <= unrest:
            bench.left_out(f"{tier}, {kind}", f"{count} take {taken:.1f} MiB, which cannot be told "
                           f"from the {unrest:.1f} MiB by which the machine changes meanwhile")
            return None
        return taken / count


def deploy(bench, node, kind):
    handler = {"timer": "timer", "MQTT": "mqtt", "HTTP": "poll"}[kind]
    words = [] if kind == "timer" else ["--network", "nat"]
    folder = os.path.join(bench.root, "bench/functions/waits")
    node.deploy("waiter", folder, "--handler", f"handler.{handler}", "--timeout", "900", *words)


def call(node, kind, number, port):
    event = {"due": time.time() + 24 * 3600} if kind == "timer" else {}
    event |= {"host": GATEWAY, "port": port, "name": f"waiter-{number}"}
    node.start_call("waiter", json.dumps(event).encode())
    # One after the other, so that no spare instance is started.
    wait_for(lambda: of_calls(node, "BUSY", "STARTING", "READY") == [], f"call {number} to block")


def of_calls(node, *states):
    return [row["instance"] for row in node.instances() if row["state"] in states]


def move(node, tier):
    if tier != "running":
        path = "" if tier == "SUSPENDED" else f"?tier={tier.lower()}"
        for instance in of_calls(node, "BLOCKED"):
            node.ask("POST", f"/godwit/v1/instances/{instance}/suspend{path}")
    time.sleep(SETTLE)


def footprints(node):
    """A few looks."""
    seen = []
    for _ in range(LOOKS):
        seen.append(footprint(node))
        time.sleep(0.3)
    return seen


def footprint(node):
    """MiB of the daemon, its sandboxes and the kernel."""
    charged = sum(row["memory_bytes"] for row in node.instances()) / 2**20
    return node.rss_mib() + charged + sum(map(pss_mib, children_of(node.pid))) + kernel_mib()


def kernel_mib():
    with open("/proc/meminfo", encoding="ascii") as lines:
        fields = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return sum(fields[name] for name in ("SUnreclaim", "KernelStack", "PageTables")) / 1024


def docker_pause(bench):
    """MiB of one more container; None without an Engine."""
    count = 3 if bench.quick else 8
    try:
        with Engine(bench.folder("docker"), bench.cache("docker"), find_criu()) as engine:
            engine.import_image()
            containers = [engine.start_container() for _ in range(count)]
            for container in containers:
                container.pause()
            taken = sum(container.memory_mib() for container in containers) + shims_mib(engine)
            for container in containers:
                engine.remove(container)
            return taken / count
    except NoEngine as reason:
        bench.left_out("docker pause", str(reason))
        return None


def shims_mib(engine):
    total = 0
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            with open(path, "rb") as file:
                words = file.read()
            if b"containerd-shim" in words and engine.run.encode() in words:
                total += pss_mib(path.split("/")[2])
    return total


def sleepers(bench):
    """Very many on one node: what the daemon and the kernel take, what is alive of them, how `ps`
    does, and whether each is to be woken at the very moment that it waits for."""
    count = bench.sleepers or (100 if bench.quick else 1000)
    resident = compare(f"memory of the node, {count:,} suspended", "MiB", ["Godwit"],
                       Mark(SLEEPERS_LIMIT))
    alive = compare(f"processes and sandboxes of {count:,} suspended", "", ["Godwit"], Mark(0))
    listed = compare(f"`ps` of {count:,} suspended", "ms", ["Godwit"])
    wrong = compare(f"wake times that are wrong, of {count:,} suspended", "", ["Godwit"], Mark(0))
    kernel = compare(f"memory of the kernel, {count:,} suspended", "MiB", ["Godwit"],
                     note="Slabs that cannot be given back, stacks, page tables: what they have "
                     "grown by, by all that the machine does.")
    limits = ["--max-instances", str(count + 10), "--max-queue", str(count)]
    # Without a template: the walls that stand ready for its next clone would be counted.
    flags = ["--blocked-after", "200ms", "--kept-walls", "0", "--prebake", "off", *limits]
    with Node(bench.godwit, bench.folder("density"), flags) as node:
        deploy(bench, node, "timer")
        had = kernel_mib()
        first = time.time() + 24 * 3600
        due = {}  # by request
        for number in range(count):
            moment = first + number * APART
            due[node.start_call("waiter", json.dumps({"due": moment}).encode())] = moment

        def all_away():
            away = node.states().get("SUSPENDED", 0)
            bench.progress("putting away", away, count)
            time.sleep(0.2)
            return away >= count

        wait_for(all_away, f"{count} functions to be put away", 120 + count / 5)
        time.sleep(SETTLE)
        for _ in range(5):
            time.sleep(0.5)  # five looks, for a spread
            begun = time.perf_counter()
            node.instances()
            listed.series[0].add((time.perf_counter() - begun) * 1e3)
            resident.series[0].add(node.rss_mib())
            alive.series[0].add(len(children_of(node.pid)))
            kernel.series[0].add(kernel_mib() - had)
        wrong.series[0].add(sum(not wakes_at(row, due) for row in node.instances()))
        if len(node.instances()) != count:
            raise Failed(f"{len(node.instances())} instances instead of {count}")
    return [resident, kernel, alive, wrong, listed]


def wakes_at(row, due):
    """Whether its row of the wake index has the moment that its call waits for."""
    if not row["wakes_at"]:
        return False
    seen = datetime.datetime.fromisoformat(row["wakes_at"]).timestamp()
    return abs(seen - due[row["request_id"]]) < EXACT

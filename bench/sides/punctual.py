"""How late sleepers go on: put away and brought back in time, beside those never put away.

Each sleeps until a moment of its own and answers with how late it then was by the clock on the
wall. The moments lie SPACING apart, so what is measured is the way back of one after the other, not
a stampede.
"""
import json
import os
import time

from sides.comparison import Mark, compare
from sides.failed import Failed
from sides.node import Node, wait_for
from sides.stats import quantile

SPACING = 0.1  # seconds from one to the next: each way back takes some 20 ms of processor
TO_PUT_AWAY = 0.1  # seconds for each, and
LEAD = 20  # seconds for all, before the first is due
LIMIT = 10  # ms, of the 99th percentile


ASLEEP, AWAKE = "Godwit", "never put away"


def measure(bench):
    count = 50 if bench.quick else 1000
    late = {
        ASLEEP: lateness(bench, count, []),
        AWAKE: lateness(bench, 50 if bench.quick else 100, ["--keep-awake"]),
    }
    title = f"how late {count:,} sleepers wake, {1 / SPACING:.0f} a second"
    results = [compare(title, "ms", list(late), kind="lateness")]
    for what, share, marks in (
        ("99th percentile", 0.99, Mark(LIMIT)),
        ("latest", 1, ()),
        ("earliest", 0, Mark(0, at_most=False)),
    ):
        results.append(compare(f"{title}: {what}", "ms", list(late), marks))
        for side, samples in late.items():
            results[-1].of(side).add(quantile(samples, share))
    for side, samples in late.items():
        results[0].of(side).samples = samples
    return results


def lateness(bench, count, flags):
    """Milliseconds, of each."""
    limits = ["--max-instances", str(count + 10), "--max-queue", str(count)]
    with Node(
        bench.godwit, bench.folder("punctual"), ["--blocked-after", "200ms", *limits, *flags]
    ) as node:
        folder = os.path.join(bench.root, "bench/functions/waits")
        node.deploy("sleeper", folder, "--handler", "handler.timer", "--timeout", "900")
        first = time.time() + LEAD + count * TO_PUT_AWAY
        calls = []
        for number in range(count):
            event = json.dumps({"due": first + number * SPACING}).encode()
            calls.append(node.start_call("sleeper", event))
        state = "BLOCKED" if "--keep-awake" in flags else "SUSPENDED"
        while (seen := node.states().get(state, 0)) < count:
            bench.progress("falling asleep", seen, count)
            if time.time() > first:
                raise Failed(f"only {seen} of {count} were {state} when the first was due")
            time.sleep(0.2)
        last = first + count * SPACING
        while (left := last - time.time()) > 0:
            bench.progress("sleeping", int(last - first - left), int(last - first))
            time.sleep(min(left, 1))
        records = [wait_for(lambda call=call: node.result(call), f"call {call}") for call in calls]
    return [record * 1e3 for record in records]

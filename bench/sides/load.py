"""Very many functions on one node, more than its memory holds, and calls that come when they come.

2,000 functions, of which zipf.py says who is called when; a budget of 1 GiB, which some 170 of them
fill. An arrival does not wait for the answers of those before it (an open loop), and its time
begins when it was to come, however late this program was in sending it. Nothing is called before:
the first call of each function is a cold start, and counted.
"""
import base64
import concurrent.futures
import http.client
import io
import json
import os
import queue
import threading
import time
import zipfile

from sides import zipf
from sides.comparison import compare
from sides.failed import Failed
from sides.node import Client, Node, path_of
from sides.stats import quantile

FUNCTIONS, QUICK_FUNCTIONS = 2000, 300
EXPONENT = 1.0
RATE = 20  # calls a second
SECONDS, QUICK_SECONDS = 150, 15
SEED = 3
BUDGET, QUICK_BUDGET = 1024, 256  # MiB
CALLERS = 256  # calls on their way at once, at most
LOOK_EVERY = 0.5  # seconds
PATIENCE = 60  # seconds for an answer
ALL, COLD = "all calls", "cold start"
NEAREST = AWAKE, PLACE, DISK = "awake", "frozen or spilled", "suspended"


class Load:
    def __init__(self, node, calls):
        self.node = node
        self.calls = calls
        self.due = queue.Queue()
        self.over = threading.Event()
        self.took = {kind: [] for kind in (ALL, *NEAREST, COLD)}  # ms
        self.late = []  # ms, of this program
        self.refused, self.failed = 0, []
        self.states = {}
        self.unseen = []  # why a look at the node failed
        self.held, self.resident = [], []  # MiB, of all instances and of the daemon

    def run(self, progress):
        callers = [threading.Thread(target=self.call) for _ in range(CALLERS)]
        watcher = threading.Thread(target=self.look)
        for thread in (*callers, watcher):
            thread.start()
        begun = time.perf_counter()
        for moment, function in self.calls:
            time.sleep(max(0, begun + moment - time.perf_counter()))
            self.late.append((time.perf_counter() - begun - moment) * 1e3)
            self.due.put((begun + moment, function, self.states.get(name_of(function), COLD)))
            progress(len(self.late))
        for _ in callers:
            self.due.put(None)
        for thread in callers:
            thread.join()
        self.over.set()
        watcher.join()

    def call(self):
        client = Client(self.node.address, PATIENCE)
        while (call := self.due.get()) is not None:
            arrived, function, kind = call
            try:
                response, text = client.exchange("POST", path_of(name_of(function)), b"{}")
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                continue
            took = (time.perf_counter() - arrived) * 1e3
            if response.status == 429:
                self.refused += 1
            elif response.status != 200 or response.headers["X-Amz-Function-Error"]:
                self.failed.append(f"{response.status} {text.decode()[:200]}")
            else:
                self.took[ALL].append(took)
                self.took[COLD if json.loads(text) == 1 else kind].append(took)
        client.http.close()

    def look(self):
        client = Client(self.node.address, PATIENCE)
        while not self.over.wait(LOOK_EVERY):
            try:
                self.note(client.instances(), client.rss_mib())
            except (OSError, http.client.HTTPException) as error:
                self.unseen.append(repr(error))

    def note(self, rows, resident):
        states = {}
        for row in rows:
            kind = kind_of(row["state"])
            other = states.get(row["function"], kind)
            states[row["function"]] = min(kind, other, key=NEAREST.index)
        self.states = states
        self.held.append(sum(row["memory_bytes"] for row in rows) / 2**20)
        self.resident.append(resident)


def kind_of(state):
    """How far away an instance is, as its next call finds it."""
    if state in ("FROZEN", "SPILLED"):
        return PLACE
    return DISK if state in ("SUSPENDED", "SUSPENDING") else AWAKE


def name_of(function):
    return f"f{function:04d}"


def deploy(bench, node, count):
    """One source under many names. Functions a second."""
    folder = os.path.join(bench.root, "bench/functions/counts")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.write(os.path.join(folder, "handler.py"), "handler.py")
    settings = {
        "Runtime": "python3",
        "Handler": "handler.handler",
        "Role": "arn:aws:iam::000000000000:role/godwit",
        "Timeout": 30,
        "Code": {"ZipFile": base64.b64encode(packed.getvalue()).decode()},
    }

    def some(numbers):
        client = Client(node.address)
        for number in numbers:
            body = json.dumps(settings | {"FunctionName": name_of(number)}).encode()
            client.ask("POST", "/2015-03-31/functions", body, want=(201,))
        client.http.close()

    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(some, [range(part, count, 8) for part in range(8)]))
    return count / (time.perf_counter() - begun)


def disk_mib(folder):
    paths = (os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
    return sum(os.lstat(path).st_blocks * 512 for path in paths) / 2**20


def measure(bench):
    count, seconds = (QUICK_FUNCTIONS, QUICK_SECONDS) if bench.quick else (FUNCTIONS, SECONDS)
    calls = zipf.arrivals(count, EXPONENT, RATE, seconds, SEED)
    budget = QUICK_BUDGET if bench.quick else BUDGET
    flags = ["--memory-budget", f"{budget}M", "--max-connections", str(2 * CALLERS)]
    with Node(bench.godwit, bench.folder("load"), flags) as node:
        rate = deploy(bench, node, count)
        load = Load(node, calls)
        load.run(lambda done: bench.progress("calls", done, len(calls)))
        instances = node.states()
        images = disk_mib(os.path.join(node.folder, "data/blobs"))
    if not load.took[ALL]:
        raise Failed(f"no call was answered: {load.failed[:1]}")
    return report(load, rate, instances, images, f"{count:,} functions in {budget:,} MiB")


def report(load, rate, instances, images, setting):
    called = len({function for _, function in load.calls})
    title = f"{len(load.calls):,} calls of {setting}, {RATE} a second"
    note = (
        f"Load: Zipf's law with an exponent of {EXPONENT:g}, Poisson arrivals, seed {SEED}; "
        f"{called:,} functions were called; instances at the end: "
        + ", ".join(f"{number} {state}" for state, number in sorted(instances.items()))
        + f". This program sent the calls {quantile(load.late, 0.99):.1f} ms late (p99). "
        "What a call found is as of the last look, at most half a second before."
    )
    if load.failed:
        note += f" The first failure: {load.failed[0]}."
    if load.unseen:
        note += f" {len(load.unseen)} looks at the node failed, the first with {load.unseen[0]}."
    kinds = [kind for kind, samples in load.took.items() if samples]
    times = compare(f"{title}: to the answer", "ms", kinds, note=note, kind="latency")
    tails = compare(f"{title}: to the answer, 99th percentile", "ms", kinds)
    for kind in kinds:
        times.of(kind).samples = load.took[kind]
        tails.of(kind).add(quantile(load.took[kind], 0.99))

    def one(what, unit, value):
        result = compare(what, unit, ["Godwit"])
        result.series[0].samples = value if isinstance(value, list) else [value]
        return result

    return [
        times,
        tails,
        one(f"{title}: refused (429)", "%", 100 * load.refused / len(load.calls)),
        one(f"{title}: failed", "%", 100 * len(load.failed) / len(load.calls)),
        one(f"{title}: cold starts", "%", 100 * len(load.took[COLD]) / len(load.calls)),
        one("memory of all instances, a look each half second", "MiB", load.held),
        one("memory of all instances, at most", "MiB", max(load.held)),
        one("memory of the node, at most", "MiB", max(load.resident)),
        one("images on disk in the end", "MiB", images),
        one("functions deployed", "/s", rate),
    ]

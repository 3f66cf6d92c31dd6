"""When a process has its memory back: looked at every millisecond, as the kernel counts it.

    with Watch(PythonBelow(node.pid).bytes, whole) as watch:
        ...  # bring it back
    watch.reached  # {0.9: ms, 0.99: ms} since the beginning of the block

Counted is anonymous memory (RssAnon): pages of programs and libraries are in the page cache anyway.
The last hundredth is not waited for: pages that were never written to need not come back.
"""
import contextlib
import os
import threading
import time

SHARES = (0.9, 0.99)
PATIENCE = 60  # seconds


def anonymous(pid):
    """Bytes; 0 if there is no such process."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    return 0


def below(pid):
    """All processes that this one has started, and those that they have, and so on."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as line:
                found += [int(child) for child in line.read().split()]
    return found + [deeper for child in found for deeper in below(child)]


class PythonBelow:
    """The Python process below another one: looked for anew whenever it is gone. CRIU is there,
    too, while it brings it back."""

    def __init__(self, pid):
        self.pid = pid
        self.found = 0

    def bytes(self):
        now = anonymous(self.found)
        if now == 0:
            self.found = next((pid for pid in below(self.pid) if is_python(pid)), 0)
            now = anonymous(self.found)
        return now


def is_python(pid):
    with contextlib.suppress(OSError):
        return "/python3" in os.readlink(f"/proc/{pid}/exe")
    return False


class Watch:
    """`look` says how many bytes are there now, `whole` is what has to be there in the end."""

    def __init__(self, look, whole):
        self.look = look
        self.whole = whole
        self.reached = {}
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.over = threading.Event()

    def __enter__(self):
        self.begun = time.perf_counter()
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.over.set()
        self.thread.join()

    def elapsed(self):
        return (time.perf_counter() - self.begun) * 1e3

    def _watch(self):
        while len(self.reached) < len(SHARES) and not self.over.wait(0.001):
            share = self.look() / self.whole
            now = self.elapsed()
            for wanted in SHARES:
                if share >= wanted:
                    self.reached.setdefault(wanted, now)
            if now > PATIENCE * 1e3:
                return

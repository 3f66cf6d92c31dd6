"""The other side of a checkpoint: `criu dump` and `criu restore -d` of Godwit's Python runtime.

    with PlainCriu(criu, folder, root) as cell:
        cell.call({})   # an invocation: its answer
        cell.dump()     # {"ms": ..., "bytes": ...}
        cell.restore()  # {"ms": ...}
        cell.watched()  # {"ms": ..., "answered_ms": ..., "resident_ms": [90 %, 99 %]}
        cell.lazy()     # the same, with criu lazy-pages

What happens inside is in criu_cell.py. All processes of the cell end with it.
"""
import json
import os
import shutil
import subprocess

from sides.failed import Failed

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = "/usr/local/lib/godwit/criu/criu"  # by scripts/setup


class CriuFailed(Failed):
    pass


def find_criu():
    """The one that Godwit uses; None without any."""
    return BUILT if os.path.exists(BUILT) else shutil.which("criu")


class PlainCriu:
    def __init__(self, criu, folder, root, function="examples/greeter"):
        self.criu = criu
        self.folder = folder
        self.root = root
        self.function = function

    def __enter__(self):
        if not self.criu:
            raise CriuFailed("CRIU is not installed (run scripts/setup)")
        os.makedirs(self.folder)
        self.errors = open(os.path.join(self.folder, "errors"), "w+", encoding="utf-8")
        inside = ["/usr/bin/python3", os.path.join(HERE, "criu_cell.py"), self.criu]
        inside += [os.path.join(self.folder, "images")]
        inside += [os.path.join(self.root, "runtimes/python3/bootstrap.py")]
        inside += [os.path.join(self.root, self.function)]
        cell = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"]
        shell = ["sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"]
        self.process = subprocess.Popen(
            [*cell, *shell, *inside],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self._answer()
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise CriuFailed(self.errors.read()[-2000:])
        return json.loads(line)

    def _say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self._answer()

    def dump(self):
        return self._say("dump")

    def restore(self):
        return self._say("restore")

    def watched(self):
        return self._say("watched")

    def lazy(self):
        return self._say("lazy")

    def call(self, event):
        return self._say(f"call {json.dumps(event)}")["answer"]

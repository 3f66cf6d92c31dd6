"""The start of a template: what the runtimes do in it, and in its clones."""
import os
import unittest

from fake_runtime_api import HERE, Function

RESTORE = "/2018-06-01/runtime/restore/next"
RESTORED = b"HTTP/1.1 200 OK\r\nGodwit-Log-Stream: clone\r\nContent-Length: 0\r\n\r\n"
MODULES = {"PYTHONPATH": f"{HERE}/python3"}
PYTHON = """
import os
import random
from snapshot_restore_py import register_after_restore, register_before_snapshot
import godwit
told = []
random.seed(1)
first = random.random()
godwit.before_checkpoint(lambda: told.append("before 1"))
register_before_snapshot(told.append, "before 2")
@godwit.after_restore
def one(): told.append("after 1")
@register_after_restore
def two(): told.append("after 2")
def main(event, context):
    told.append(event)
    stream = [context.log_stream_name, os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]]
    random.seed(1) if event == "seed" else None
    return {"told": told, "stream": stream, "first": first, "second": random.random()}
"""


class PythonTemplateTest(unittest.TestCase):
    def start(self, source, **environment):
        environment.update(MODULES, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
        return Function("python3", {"handler.py": source}, "handler.main", environment)

    def restore(self, function):
        request = function.receive()
        self.assertEqual((request.method, request.path), ("GET", RESTORE))
        function.send(RESTORED)

    def test_hooks_and_names(self):
        with self.start(PYTHON) as function:
            self.restore(function)
            answer = function.call("e").json
        self.assertEqual(answer["told"], ["before 2", "before 1", "after 1", "after 2", "e"])
        self.assertEqual(answer["stream"], ["clone", "clone"])

    def test_random_is_renewed(self):
        seconds = []
        for _ in range(2):
            with self.start(PYTHON) as function:
                self.restore(function)
                seconds.append(function.call("e").json["second"])
        self.assertNotEqual(*seconds)

    def test_a_plain_start_runs_no_hooks(self):
        with Function("python3", {"handler.py": PYTHON}, "handler.main", MODULES) as function:
            self.assertEqual(function.call("e").json["told"], ["e"])

    def test_warm_up(self):
        with self.start(PYTHON, GODWIT_WARM_UP='"warm"') as function:
            self.restore(function)
            told = function.call("e").json["told"]
        self.assertEqual(told[:3], ["warm", "before 2", "before 1"])

    def test_a_warm_up_that_fails_is_logged(self):
        source = "def main(event, context): return 1 // event"
        with self.start(source, GODWIT_WARM_UP="0") as function:
            self.restore(function)
            self.assertEqual(function.call(1).json, 1)
            self.assertIn("ZeroDivisionError", function.log())

    def test_hooks_that_fail(self):
        source = (
            "import godwit\n"
            "@godwit.{}\n"
            "def hook(): raise KeyError('k')\n"
            "def main(event, context): return event"
        )
        with self.start(source.format("before_checkpoint")) as function:
            request, status = function.last_words()
            self.assertEqual(request.path, "/2018-06-01/runtime/init/error")
            self.assertEqual(
                request.headers["lambda-runtime-function-error-type"], "Runtime.BeforeSnapshotError"
            )
            self.assertEqual(status, 1)
        with self.start(source.format("after_restore")) as function:
            self.restore(function)
            request, status = function.last_words()
            self.assertEqual(request.path, "/2018-06-01/runtime/restore/error")
            self.assertEqual(request.json["errorType"], "KeyError")
            self.assertEqual(status, 1)


class NodeTemplateTest(unittest.TestCase):
    """Without the add-on, which is built with the node: tests/prebake_test.py has the rest."""

    def test_without_the_add_on_there_is_no_template(self):
        self.assertFalse(os.path.exists(f"{HERE}/nodejs/reseed.node"))
        environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
        files = {"index.js": "exports.main = async (event) => event;"}
        with Function("nodejs", files, "index.main", environment) as function:
            request, _ = function.last_words()
            self.assertEqual(request.path, "/2018-06-01/runtime/init/error")
            self.assertIn("reseed.node", request.json["errorMessage"])

    def test_a_plain_start_runs_no_hooks(self):
        source = (
            "const godwit = require('godwit');\n"
            "const told = [];\n"
            "godwit.beforeCheckpoint(() => told.push('before'));\n"
            "godwit.afterRestore(() => told.push('after'));\n"
            "exports.main = async () => told;"
        )
        environment = {"NODE_PATH": f"{HERE}/nodejs/modules"}
        with Function("nodejs", {"index.js": source}, "index.main", environment) as function:
            self.assertEqual(function.call("e").json, [])


if __name__ == "__main__":
    unittest.main()

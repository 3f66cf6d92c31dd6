"""Tests of all that runs inside a sandbox: `/usr/bin/python3 runtimes/runtimes_test.py`.

Here is what every runtime must do on the wire, the C++ example's client included; python3_test and
nodejs_test, which this program runs too, have what belongs to one language, and callbacks_test what
functions ask Godwit for.
"""
import os
import subprocess
import tempfile
import unittest

from callbacks_test import NodeCallbackTest, PythonCallbackTest
from fake_runtime_api import ARN, Function
from nodejs_test import (
    NodeConsoleTest,
    NodeContextTest,
    NodeErrorTest,
    NodeHandlerTest,
    NodeOutcomeTest,
)
from python3_test import PythonContextTest, PythonErrorTest, PythonHandlerTest, PythonOutputTest
from template_test import NodeTemplateTest, PythonTemplateTest

__all__ = [
    "NodeCallbackTest",
    "NodeConsoleTest",
    "NodeContextTest",
    "NodeErrorTest",
    "NodeHandlerTest",
    "NodeOutcomeTest",
    "NodeTemplateTest",
    "PythonCallbackTest",
    "PythonContextTest",
    "PythonErrorTest",
    "PythonHandlerTest",
    "PythonOutputTest",
    "PythonTemplateTest",
]

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples")
REFUSED = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 9\r\n\r\ntoo large"


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Wire:
    """What holds for every runtime. start() starts a function that returns its event."""

    def test_event_in_and_result_out(self):
        with self.start() as function:
            for event in ({"name": "edge"}, [1, 2.5, "ü€𝄞"], "", 0, None, True, {}):
                with self.subTest(event=event):
                    answer = function.call(event)
                    self.assertTrue(answer.path.endswith("/response"), answer.body)
                    self.assertEqual(answer.json, event)
                    self.assertEqual(answer.headers["content-type"], "application/json")

    def test_large_event_in_pieces(self):
        event = {"data": "0123456789abcdef" * (6 * 1024 * 1024 // 16 - 2)}
        with self.start() as function:
            self.assertEqual(function.call(event).json, event)
            self.assertEqual(function.call(1).json, 1)

    def test_head_byte_by_byte(self):
        with self.start() as function:
            function.await_next()
            function.asked = False
            for byte in function.event({"a": "b"}):
                function.send(bytes([byte]))
            self.assertEqual(function.finish_call().json, {"a": "b"})

    def test_headers_in_any_case(self):
        with self.start() as function:
            function.await_next()
            function.asked = False
            head, _, body = function.event([7]).partition(b"\r\n\r\n")
            function.send(head.lower().replace(b"http/1.1", b"HTTP/1.1") + b"\r\n\r\n" + body)
            self.assertEqual(function.finish_call().json, [7])

    def test_chunked_event(self):
        chunks = (
            b'5\r\n{"a":\r\n6;name=value\r\n "b",\n\r\n8\r\n"c": 12}\r\n0\r\nTrailer: x\r\n\r\n'
        )
        with self.start() as function:
            for at in range(0, len(chunks), 7):  # cut in two at various places
                function.await_next()
                function.asked = False
                head = function.event(b"", {"Content-Length": None, "Transfer-Encoding": "chunked"})
                function.send(head + chunks[:at])
                function.send(chunks[at:])
                self.assertEqual(function.finish_call().json, {"a": "b", "c": 12})

    def test_answer_accepted_together_with_the_next_event(self):
        with self.start() as function:
            function.start_call(1)
            function.finish_call(verdict=b"")
            accepted = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
            function.asked = False
            function.send(accepted + function.event(2))
            self.assertEqual(function.finish_call().json, 2)

    def test_refused_answer_is_logged(self):
        with self.start() as function:
            function.call(1, verdict=REFUSED)
            self.assertEqual(function.call(2).json, 2)
            self.assertIn("the answer was refused: 413 too large", function.log())

    def test_stop_and_go_on_between_calls(self):
        with self.start() as function:
            for number in range(5):
                function.await_next()
                function.freeze_and_thaw()
                self.assertEqual(function.call(number).json, number)

    def test_holds_one_socket_and_closes_it_for_its_children(self):
        with self.start() as function:
            function.call()
            function.await_next()
            folder = f"/proc/{function.process.pid}/fd"
            links = {number: os.readlink(f"{folder}/{number}") for number in os.listdir(folder)}
            sockets = [number for number, link in links.items() if link.startswith("socket:")]
            self.assertEqual(len(sockets), 1, links)
            flags = int(text_of(f"/proc/{function.process.pid}/fdinfo/{sockets[0]}").split()[3], 8)
            self.assertTrue(flags & os.O_CLOEXEC)
            self.assertFalse(
                [link for link in links.values() if "inotify" in link or "io_uring" in link]
            )

    def test_ends_when_the_connection_ends(self):
        with self.start() as function:
            function.call()
            function.hang_up()
            self.assertEqual(function.wait(), 1)
            self.assertIn("cannot talk to the Runtime API at '127.0.0.1:", function.log())

    def test_ends_when_it_is_refused_an_event(self):
        with self.start() as function:
            function.await_next()
            function.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual(function.wait(), 1)
            self.assertIn("it answered 403", function.log())

    def test_ends_when_nobody_listens(self):
        for address in ("127.0.0.1:1", "nonsense", ""):
            with self.start({"AWS_LAMBDA_RUNTIME_API": address}) as function:
                self.assertEqual(function.wait(), 1)
                self.assertIn(f"cannot talk to the Runtime API at '{address}'", function.log())


class PythonWireTest(Wire, unittest.TestCase):
    def start(self, environment=None):
        source = "def handler(event, context):\n    return event\n"
        return Function("python3", {"echo.py": source}, "echo.handler", environment)

    def test_no_threads(self):
        with self.start() as function:
            function.call()
            self.assertEqual(
                os.listdir(f"/proc/{function.process.pid}/task"), [str(function.process.pid)]
            )


class NodeWireTest(Wire, unittest.TestCase):
    def start(self, environment=None):
        source = "exports.handler = async (event) => event;\n"
        return Function("nodejs", {"echo.js": source}, "echo.handler", environment)


class NativeTest(Wire, unittest.TestCase):
    """lambda_runtime.h in a function that does other things too, if the event says so."""

    SOURCE = r"""
        #include <stdexcept>
        #include "lambda_runtime.h"
        int main() {
          return lambda::Run([](const lambda::Invocation& call) -> lambda::Outcome {
            if (call.event == "\"throw\"") throw std::runtime_error("with \"quotes\"\n");
            if (call.event == "\"fail\"") {
              return std::unexpected(lambda::Failure{"My.Error", "mine"});
            }
            if (call.event != "\"context\"") return call.event;
            return "[" + lambda::Quoted(call.request_id) + "," +
                   lambda::Quoted(call.function_arn) + "," + lambda::Quoted(call.trace_id) + "," +
                   call.client_context + "," + std::to_string(call.deadline_ms) + "," +
                   std::to_string(call.attempt) + "]";
          });
        }
    """

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="godwit-native-")
        cls.addClassCleanup(folder.cleanup)
        cls.program = os.path.join(folder.name, "function")
        command = [
            "clang++-19",
            "-std=c++23",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wshadow",
            "-Wconversion",
        ]
        command += ["-Werror", "-I", f"{EXAMPLES}/native", "-x", "c++", "-", "-o", cls.program]
        subprocess.run(command, input=cls.SOURCE, text=True, check=True)
        subprocess.run([f"{EXAMPLES}/native/build.sh", folder.name], check=True)
        cls.example = os.path.join(folder.name, "bootstrap")

    def start(self, environment=None):
        return Function("provided", {}, "x", environment, [self.program])

    def test_errors(self):
        with self.start() as function:
            answer = function.call("throw")
            self.assertEqual(answer.error_type, "std::exception")
            self.assertEqual(answer.json["errorMessage"], 'with "quotes"\n')
            self.assertEqual(
                function.call("fail").json,
                {"errorMessage": "mine", "errorType": "My.Error", "stackTrace": []},
            )
            self.assertEqual(function.call("on").json, "on")

    def test_invocation(self):
        with self.start() as function:
            headers = {
                "Lambda-Runtime-Trace-Id": "Root=1-2-3",
                "Lambda-Runtime-Client-Context": '{"custom":{}}',
                "Godwit-Attempt": "3",
            }
            seen = function.call("context", headers).json
            self.assertEqual(
                seen, [function.request_id, ARN, "Root=1-2-3", {"custom": {}}, 4102444800000, 3]
            )

    def test_example_counts_primes(self):
        with Function("provided", {}, "x", command=[self.example]) as function:
            self.assertEqual(
                function.call({"limit": 100000}).json, {"primes": 9592, "largest": 99991}
            )
            self.assertEqual(
                function.call({"seconds": 0.05, "limit": 100}).json, {"primes": 25, "largest": 97}
            )
            self.assertEqual(function.call({"limit": 1}).error_type, "Function.BadEvent")
            self.assertEqual(function.call({"seconds": -1}).error_type, "Function.BadEvent")


class ExampleTest(unittest.TestCase):
    def test_greeter(self):
        files = {"handler.py": text_of(f"{EXAMPLES}/greeter/handler.py")}
        with Function("python3", files, "handler.handler") as function:
            self.assertEqual(function.call({"name": "edge"}).body, b'{"greeting": "Hello, edge!"}')
            self.assertEqual(function.call({}).json, {"greeting": "Hello, world!"})

    def test_reminder(self):
        files = {"handler.py": text_of(f"{EXAMPLES}/reminder/handler.py")}
        with Function("python3", files, "handler.handler") as function:
            answer = function.call({"text": "turn the eggs", "seconds": 0.1}).json
            self.assertEqual(answer["reminder"], "turn the eggs")
            self.assertEqual(answer["sum"], 385)
            self.assertGreaterEqual(answer["slept"], 0.1)
            self.assertIn("asleep for 0.1 s with a sum of 55\n", function.log())

    def test_counter(self):
        files = {"index.js": text_of(f"{EXAMPLES}/counter-node/index.js")}
        with Function("nodejs", files, "index.handler") as function:
            self.assertEqual(function.call({}).body, b'{"call":1,"slept":0}')
            self.assertEqual(function.call({"seconds": 0.01}).json["call"], 2)
            self.assertEqual(function.call({}).json["call"], 3)
            self.assertIn("\tINFO\tcall 2 falls asleep for 0.01 s\n", function.log())


if __name__ == "__main__":
    unittest.main()

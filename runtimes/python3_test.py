"""Tests of what is Python's own in the python3 runtime; runtimes_test.py runs them."""
import json
import os
import re
import signal
import time
import unittest

from fake_runtime_api import ARN, COMMANDS, Function


def start(source, handler="handler.main", files=None, **more):
    return Function("python3", {"handler.py": source, **(files or {})}, handler, **more)


class PythonHandlerTest(unittest.TestCase):
    def test_in_a_folder(self):
        files = {
            "deep/er/file.py": "from deep import shared\ndef func(e, c): return shared.VALUE",
            "deep/shared.py": "VALUE = 7",
        }
        for handler in ("deep/er/file.func", "deep.er.file.func"):
            with start("", handler, files) as function:
                self.assertEqual(function.call().json, 7)

    def test_module_may_have_the_name_of_one_of_ours(self):
        names = ("api", "context", "errors", "handler", "logs", "loop", "bootstrap")
        files = {f"{name}.py": f"def main(e, c): return '{name}'" for name in names}
        for name in names:
            with Function("python3", files, f"{name}.main") as function:
                self.assertEqual(function.call().json, name)

    def test_path_starts_with_the_code(self):
        source = "import sys\ndef main(e, c): return sys.path"
        with start(source) as function:
            path = function.call().json
            self.assertEqual(path[:2], [function.task, "/opt/python"])
            self.assertNotIn(os.path.dirname(COMMANDS["python3"][1]), path)

    def test_what_cannot_be_loaded(self):
        cases = [
            ("", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
            ("", "", "Runtime.MalformedHandlerName", "Bad handler ''"),
            ("", "handler.", "Runtime.MalformedHandlerName", "Bad handler 'handler.'"),
            (
                "",
                "none.main",
                "Runtime.ImportModuleError",
                "Unable to import module 'none': No module named 'none'",
            ),
            (
                "import nix",
                "handler.main",
                "Runtime.ImportModuleError",
                "module 'handler': No module named 'nix'",
            ),
            ("", "sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys"),
            (
                "",
                "handler.main",
                "Runtime.HandlerNotFound",
                "Handler 'main' missing on module 'handler'",
            ),
            (
                "main = 1",
                "handler.main",
                "Runtime.HandlerNotFound",
                "'main' of module 'handler' is not a function",
            ),
            ("1/0", "handler.main", "ZeroDivisionError", "division by zero"),
        ]
        for source, handler, error_type, message in cases:
            with self.subTest(source=source, handler=handler), start(source, handler) as function:
                report = function.failed_start()
                self.assertEqual(report.error_type, error_type)
                self.assertIn(message, report.json["errorMessage"])
                self.assertIn(f"[ERROR] {error_type}: ", function.log())

    def test_syntax_error_shows_the_line(self):
        with start("def main(e, c):\n    return ]\n") as function:
            report = function.failed_start()
            self.assertEqual(report.error_type, "Runtime.UserCodeSyntaxError")
            self.assertIn(
                "Syntax error in module 'handler': unmatched ']'", report.json["errorMessage"]
            )
            where = f'  File "{function.task}/handler.py" Line 2\n        return ]'
            self.assertEqual(report.json["stackTrace"], [where])

    def test_trace_of_a_failed_start_is_the_modules_alone(self):
        with start("def f():\n    raise KeyError('k')\nf()\n") as function:
            trace = function.failed_start().json["stackTrace"]
            self.assertEqual(
                [line.split(", in ")[1].split("\n")[0] for line in trace], ["<module>", "f"]
            )

    def test_failed_start_does_not_wait_for_threads(self):
        source = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n1/0"
        with start(source) as function:
            self.assertEqual(function.failed_start().error_type, "ZeroDivisionError")


class PythonContextTest(unittest.TestCase):
    def test_what_it_holds(self):
        source = """
def main(event, c):
    return [c.aws_request_id, c.function_name, c.function_version, c.invoked_function_arn,
            c.memory_limit_in_mb, c.log_group_name, c.log_stream_name, c.client_context,
            c.identity.cognito_identity_id, c.attempt, c.tenant_id]
"""
        with start(source) as function:
            seen = function.call().json
            expected = ["f", "$LATEST", ARN, "128", "/aws/lambda/f", "stream", None, None, 1, None]
            self.assertEqual(seen, [function.request_id, *expected])
            self.assertEqual(function.call(headers={"Godwit-Attempt": "3"}).json[9], 3)

    def test_what_the_caller_adds(self):
        source = """
import os
def main(event, c):
    return [c.client_context.custom, c.client_context.env, c.client_context.client.app_title,
            c.identity.cognito_identity_id, c.identity.cognito_identity_pool_id,
            os.environ.get("_X_AMZN_TRACE_ID")]
"""
        identity = {"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}
        headers = {
            "Lambda-Runtime-Client-Context": '{"custom":{"k":"ü"},"client":{"app_title":"t"}}',
            "Lambda-Runtime-Cognito-Identity": json.dumps(identity),
            "Lambda-Runtime-Trace-Id": "Root=1-2-3",
        }
        with start(source) as function:
            expected = [{"k": "ü"}, None, "t", "i", "p", "Root=1-2-3"]
            self.assertEqual(function.call(headers=headers).json, expected)
            headers["Lambda-Runtime-Trace-Id"] = None
            self.assertIsNone(function.call(headers=headers).json[5])
            for nonsense in ("{", "[1]", "3"):
                headers["Lambda-Runtime-Client-Context"] = nonsense
                self.assertEqual(
                    function.call(headers=headers).error_type, "Runtime.LambdaContextUnmarshalError"
                )

    def test_remaining_time(self):
        with start(
            "def main(event, context): return context.get_remaining_time_in_millis()"
        ) as function:
            check_remaining_time(self, function)


def check_remaining_time(test, function):
    def remaining(seconds):
        return function.call(
            headers={"Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000))}
        ).json

    def move(request_id, seconds):
        with open(function.deadline_path, "w", encoding="utf-8") as file:
            file.write(f"{request_id} {int((time.time() + seconds) * 1000)}\n")

    test.assertTrue(900_000 < remaining(1000) <= 1_000_000)
    test.assertEqual(remaining(-5), 0)
    move("00000000-0000-4000-8000-000000000003", 5000)
    test.assertTrue(4_900_000 < remaining(10) <= 5_000_000)
    test.assertTrue(900_000 < remaining(1000) <= 1_000_000, "of another call")


class PythonErrorTest(unittest.TestCase):
    def test_exception_has_type_message_and_trace(self):
        source = """
class Mine(ValueError): pass
def inner():
    raise Mine("böse")
def main(event, context):
    if event: return "on"
    inner()
"""
        with start(source) as function:
            answer = function.call(0)
            self.assertEqual(answer.error_type, "Mine")
            report = answer.json
            path = f'  File "{function.task}/handler.py", line '
            trace = [
                f"{path}7, in main\n    inner()\n",
                f'{path}4, in inner\n    raise Mine("böse")\n',
            ]
            expected = {
                "errorMessage": "böse",
                "errorType": "Mine",
                "requestId": function.request_id,
                "stackTrace": trace,
            }
            self.assertEqual(report, expected)
            logged = "[ERROR] Mine: böse\nTraceback (most recent call last):\n" + "".join(trace)
            self.assertEqual(function.log(), logged)
            self.assertEqual(function.call(1).json, "on")

    def test_error_type_cannot_break_the_header(self):
        source = "def main(event, context): raise type('A\\r\\nB', (Exception,), {})('x')"
        with start(source) as function:
            answer = function.call()
            self.assertEqual(answer.headers["lambda-runtime-function-error-type"], "A\\r\\nB")
            self.assertEqual(answer.json["errorType"], "A\r\nB")

    def test_what_json_cannot_say(self):
        source = """
import decimal
loop = []
loop.append(loop)
results = {"set": {1}, "loop": loop, "bytes": b"", "key": {(1, 2): 3}, "half": "\\ud800",
           "decimal": decimal.Decimal("2.5"), "whole": decimal.Decimal("5")}
def main(event, context): return results[event]
"""
        with start(source) as function:
            for name in ("set", "loop", "bytes", "key"):
                answer = function.call(name)
                self.assertEqual(answer.error_type, "Runtime.MarshalError")
                self.assertRegex(answer.json["errorMessage"], "^Unable to marshal response: .+")
            self.assertIn(
                "Object of type bytes is not JSON serializable",
                function.call("bytes").json["errorMessage"],
            )
            self.assertEqual(function.call("decimal").body, b"2.5")
            self.assertEqual(function.call("whole").body, b"5")
            self.assertEqual(function.call("half").body, b'"\\ud800"')

    def test_event_that_is_not_json(self):
        with start("def main(event, context): return event") as function:
            for event in (b"{", b"\xff", b"[1] 2"):
                answer = function.call(event)
                self.assertEqual(answer.error_type, "Runtime.UnmarshalError")
                self.assertIn("Unable to unmarshal input: ", answer.json["errorMessage"])
            self.assertEqual(function.call(b"").json, {})

    def test_exit_in_the_handler_ends_the_process(self):
        with start("import sys\ndef main(event, context): sys.exit(7)") as function:
            function.start_call(None)
            self.assertIsNone(function.receive())
            self.assertEqual(function.wait(), 7)

    def test_signals_between_calls_do_not_disturb(self):
        source = """
import signal
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
def main(event, context): return len(seen)
"""
        with start(source) as function:
            while function.call("x" * 300_000).json < 20:
                pass
            self.assertGreaterEqual(function.call().json, 20)


class PythonOutputTest(unittest.TestCase):
    def test_nothing_is_lost_when_it_is_killed(self):
        source = """
import os, signal, sys
def main(event, context):
    print("a line")
    sys.stderr.write("an error, ")
    print("half a line", end="")
    os.kill(os.getpid(), signal.SIGKILL)
"""
        for command in (
            COMMANDS["python3"],
            [COMMANDS["python3"][0], "-u", *COMMANDS["python3"][1:]],
        ):
            with start(source, command=command) as function:
                function.start_call(None)
                self.assertEqual(function.wait(), -signal.SIGKILL)
                self.assertEqual(function.log(), "a line\nan error, half a line")

    def test_logging_as_in_lambda(self):
        source = """
import logging
logging.basicConfig(level=logging.DEBUG)
log = logging.getLogger()
log.warning("while it starts")
log.setLevel(logging.INFO)
def main(event, context):
    print("plain")
    log.debug("unseen")
    logging.getLogger("child").info("seen %d", 1)
"""
        with start(source) as function:
            function.call()
            stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
            lines = [
                rf"\[WARNING\]\t{stamp}\t\twhile it starts\n",
                "plain\n",
                rf"\[INFO\]\t{stamp}\t{function.request_id}\tseen 1\n",
            ]
            self.assertRegex(function.log(), re.compile("^" + "".join(lines) + "$"))

    def test_logging_is_loaded_only_for_who_wants_it(self):
        names = "('logging', 'traceback', 'socket')"
        source = f"import sys\ndef main(e, c): return [m for m in {names} if m in sys.modules]"
        with start(source) as function:
            self.assertEqual(function.call().json, [])

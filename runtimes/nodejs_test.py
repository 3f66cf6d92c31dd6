"""Tests of what is Node's own in the nodejs runtime; runtimes_test.py runs them."""
import signal
import unittest

from fake_runtime_api import ARN, Function
from python3_test import check_remaining_time

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def start(source, handler="index.main", files=None, name="index.js", **more):
    return Function("nodejs", {name: source, **(files or {})}, handler, **more)


class NodeHandlerTest(unittest.TestCase):
    def check(self, result, handler, files, **more):
        with Function("nodejs", files, handler, **more) as function:
            self.assertEqual(function.call().json, result)

    def test_commonjs_and_es_modules(self):
        common, module = "exports.main = async () => 1;", "export const main = async () => 2;"
        self.check(1, "index.main", {"index.js": common})
        self.check(1, "index.main", {"index.cjs": common})
        self.check(2, "index.main", {"index.mjs": module})
        self.check(2, "index.main", {"index.js": module, "package.json": '{"type":"module"}'})
        self.check(
            3, "index.main", {"index.mjs": "const v = await 3; export const main = async () => v;"}
        )

    def test_folders_and_nested_names(self):
        source = "exports.a = { b: async () => require('../x.js') };"
        self.check(4, "lib/index.a.b", {"lib/index.js": source, "x.js": "module.exports = 4;"})

    def test_packages(self):
        package = {"node_modules/five/index.js": "module.exports = 5;"}
        self.check(
            5, "index.main", {"index.js": "exports.main = async () => require('five');", **package}
        )
        imports = "import five from 'five'; export const main = async () => five;"
        self.check(5, "index.main", {"index.mjs": imports, **package})
        self.check(6, "six.main", {"node_modules/six/index.js": "exports.main = async () => 6;"})

    def test_node_path(self):
        files = {
            "layer/seven/index.js": "module.exports = 7;",
            "index.js": "exports.main = async () => require('seven');",
        }
        with Function("nodejs", files, "index.main") as probe:
            probe.await_next()
            self.check(7, "index.main", files, environment={"NODE_PATH": f"{probe.task}/layer"})
        layers = "require('module').globalPaths.includes('/opt/nodejs/node_modules')"
        source = f"exports.main = async () => {layers};"
        self.check(True, "index.main", {"index.js": source})

    def test_what_cannot_be_loaded(self):
        cases = [
            ("", "index", "Runtime.MalformedHandlerName", "Bad handler 'index'"),
            ("", "", "Runtime.MalformedHandlerName", "Bad handler ''"),
            ("", "../index.main", "Runtime.MalformedHandlerName", "Bad handler"),
            ("", "none.main", "Runtime.ImportModuleError", "Error: Cannot find module 'none'"),
            (
                "require('nix')",
                "index.main",
                "Runtime.ImportModuleError",
                "Error: Cannot find module 'nix'",
            ),
            (
                "",
                "index.main",
                "Runtime.HandlerNotFound",
                "index.main is undefined or not exported",
            ),
            ("", "index.a.b", "Runtime.HandlerNotFound", "index.a.b is undefined or not exported"),
            (
                "exports.main = 1",
                "index.main",
                "Runtime.HandlerNotFound",
                "index.main is not a function",
            ),
            (
                "a b",
                "index.main",
                "Runtime.UserCodeSyntaxError",
                "SyntaxError: Unexpected identifier",
            ),
            ("null.x", "index.main", "TypeError", "Cannot read properties of null (reading 'x')"),
            ("throw 'text'", "index.main", "string", "text"),
        ]
        for source, handler, error_type, message in cases:
            with self.subTest(source=source, handler=handler), start(source, handler) as function:
                report = function.failed_start()
                self.assertEqual(report.error_type, error_type)
                self.assertIn(message, report.json["errorMessage"])
                self.assertRegex(
                    function.log(), rf"{STAMP}\tundefined\tERROR\tInit Error\t{{.*{error_type}"
                )

    def test_what_cannot_be_imported(self):
        cases = [
            ("import 'nix';", "Runtime.ImportModuleError"),
            ("a b", "Runtime.UserCodeSyntaxError"),
            ("await Promise.reject(new RangeError('r'));", "RangeError"),
            ("await new Promise(() => {});", "Runtime.NodeJsExit"),
        ]
        for source, error_type in cases:
            with self.subTest(source=source), start(source, name="index.mjs") as function:
                self.assertEqual(function.failed_start().error_type, error_type)

    def test_crash_while_it_starts(self):
        cases = [
            ("Promise.reject(new Error('r'))", "Runtime.UnhandledPromiseRejection", 128),
            ("setImmediate(() => { throw new RangeError('r'); })", "RangeError", 129),
        ]
        for source, error_type, expected in cases:
            source = f"{source}; await new Promise((done) => setTimeout(done, 1e6));"
            with self.subTest(source=source), start(source, name="index.mjs") as function:
                request, status = function.last_words()
                self.assertEqual(request.path, "/2018-06-01/runtime/init/error")
                self.assertEqual((request.error_type, status), (error_type, expected))


class NodeContextTest(unittest.TestCase):
    def test_what_it_holds(self):
        with start("exports.main = async (event, context) => context;") as function:
            expected = {
                "functionName": "f",
                "functionVersion": "$LATEST",
                "memoryLimitInMB": "128",
                "logGroupName": "/aws/lambda/f",
                "logStreamName": "stream",
                "invokedFunctionArn": ARN,
                "attempt": 1,
                "callbackWaitsForEmptyEventLoop": True,
            }
            seen = function.call().json
            self.assertEqual(seen, {**expected, "awsRequestId": function.request_id})
            self.assertEqual(function.call(headers={"Godwit-Attempt": "3"}).json["attempt"], 3)

    def test_what_the_caller_adds(self):
        source = """
exports.main = async (event, context) =>
  [context.clientContext, context.identity, process.env._X_AMZN_TRACE_ID];
"""
        headers = {
            "Lambda-Runtime-Client-Context": '{"custom":{"k":"ü"}}',
            "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId":"i"}',
            "Lambda-Runtime-Trace-Id": "Root=1-2-3",
        }
        with start(source) as function:
            expected = [{"custom": {"k": "ü"}}, {"cognitoIdentityId": "i"}, "Root=1-2-3"]
            self.assertEqual(function.call(headers=headers).json, expected)
            self.assertEqual(function.call().json, [None, None, None])
            answer = function.call(headers={"Lambda-Runtime-Client-Context": "{"})
            self.assertEqual(answer.error_type, "Runtime.LambdaContextUnmarshalError")

    def test_remaining_time(self):
        with start(
            "exports.main = async (event, context) => context.getRemainingTimeInMillis();"
        ) as function:
            check_remaining_time(self, function)


class NodeOutcomeTest(unittest.TestCase):
    def result(self, body):
        with start(f"exports.main = (event, context, callback) => {{ {body} }};") as function:
            answer = function.call({"n": 1})
            again = function.call({"n": 1})
            self.assertEqual(again.path.rpartition("/")[2], answer.path.rpartition("/")[2])
            return answer.json if answer.path.endswith("/response") else answer.error_type

    def test_ways_to_answer(self):
        wait = "setTimeout(() => {}, 1e6);"
        cases = [
            ("return Promise.resolve(event)", {"n": 1}),
            ("return { then: (resolve) => resolve(2) }", 2),
            ("return Promise.resolve(undefined)", None),
            ("return Promise.resolve(() => {})", None),
            (f"{wait} return Promise.resolve(3)", 3),
            ("callback(null, 4)", 4),
            ("setTimeout(() => callback(null, 5), 1)", 5),
            ("callback()", None),
            ("callback(null, 6); callback(null, 0)", 6),
            (f"context.callbackWaitsForEmptyEventLoop = false; {wait} callback(null, 7)", 7),
            (f"{wait} context.succeed(8)", 8),
            (f"{wait} context.done(null, 9)", 9),
            ("return 10", None),
            ("", None),
        ]
        for body, result in cases:
            with self.subTest(body=body):
                self.assertEqual(self.result(body), result)

    def test_ways_to_fail(self):
        wait = "setTimeout(() => {}, 1e6);"
        cases = [
            ("throw new RangeError('r')", "RangeError"),
            ("return Promise.reject(new RangeError('r'))", "RangeError"),
            ("return Promise.reject(null)", "object"),
            (f"{wait} callback(new RangeError('r'))", "RangeError"),
            (f"{wait} callback('text')", "string"),
            (f"{wait} context.fail(new RangeError('r'))", "RangeError"),
            (f"{wait} context.done(new RangeError('r'))", "RangeError"),
            ("return new Promise(() => {})", "Runtime.NodeJsExit"),
            ("return Promise.resolve(1n)", "Runtime.MarshalError"),
            ("const a = []; a.push(a); callback(null, a)", "Runtime.MarshalError"),
        ]
        for body, error_type in cases:
            with self.subTest(body=body):
                self.assertEqual(self.result(body), error_type)

    def test_callback_waits_for_the_empty_loop(self):
        source = """
exports.main = (event, context, callback) => {
  setTimeout(() => console.log('the last thing'), 20);
  callback(null, 'said');
};
"""
        with start(source) as function:
            self.assertEqual(function.call().json, "said")
            self.assertIn("the last thing", function.log())

    def test_second_answer_of_an_old_call_is_ignored(self):
        source = """
let late;
exports.main = (event, context, callback) => {
  if (late) late(null, 'late');
  late = context.done;
  context.succeed(event);
};
"""
        with start(source) as function:
            self.assertEqual([function.call(n).json for n in (1, 2, 3)], [1, 2, 3])


class NodeErrorTest(unittest.TestCase):
    def test_error_object(self):
        source = """class Mine extends Error {}
exports.main = async () => { throw Object.assign(new Mine('böse'), { name: 'A\\rB' }); };
"""
        with start(source) as function:
            answer = function.call()
            self.assertEqual(answer.headers["lambda-runtime-function-error-type"], "A?B")
            report = answer.json
            self.assertEqual((report["errorType"], report["errorMessage"]), ("A\rB", "böse"))
            self.assertIn(f"{function.task}/index.js:2", report["trace"][1])
            self.assertRegex(
                function.log(), rf"{STAMP}\t{function.request_id}\tERROR\tInvoke Error\t{{"
            )

    def test_event_that_is_not_json(self):
        with start("exports.main = async (event) => event;") as function:
            self.assertEqual(function.call(b"{").error_type, "Runtime.UnmarshalError")
            self.assertEqual(function.call(b"").json, {})

    def test_crashes(self):
        never = "await new Promise(() => setTimeout(() => {}, 1e6));"
        cases = [
            (
                "setImmediate(() => { throw new RangeError('r'); });",
                "RangeError",
                129,
                "Uncaught Exception",
            ),
            (
                "Promise.reject(new RangeError('r'));",
                "Runtime.UnhandledPromiseRejection",
                128,
                "Unhandled Promise Rejection",
            ),
        ]
        for source, error_type, expected, title in cases:
            with self.subTest(source=source), start(
                f"exports.main = async () => {{ {source} {never} }};"
            ) as function:
                function.start_call(None)
                request, status = function.last_words()
                self.assertEqual(
                    request.path, f"/2018-06-01/runtime/invocation/{function.request_id}/error"
                )
                self.assertEqual((request.error_type, status), (error_type, expected))
                self.assertIn(f"\tERROR\t{title}\t", function.log())

    def test_crash_between_calls(self):
        with start(
            "exports.main = async () => { setTimeout(() => { throw new Error('late'); }, 10); };"
        ) as function:
            function.call()
            self.assertIsNone(function.receive())
            self.assertEqual(function.wait(), 129)
            self.assertIn("late", function.log())

    def test_exit_in_the_handler_ends_the_process(self):
        with start("exports.main = async () => process.exit(7);") as function:
            function.start_call(None)
            self.assertIsNone(function.receive())
            self.assertEqual(function.wait(), 7)


class NodeConsoleTest(unittest.TestCase):
    def test_lines_as_in_lambda(self):
        source = """
console.log('starting');
exports.main = async () => {
  for (const level of ['log', 'info', 'debug', 'warn', 'error', 'trace']) {
    console[level]('%s %d', level, 1, { a: 1 });
  }
  process.stdout.write('plain\\n');
  process.kill(process.pid, 'SIGKILL');
};
"""
        with start(source) as function:
            function.start_call(None)
            self.assertEqual(function.wait(), -signal.SIGKILL)
            methods = {"log": "INFO", "info": "INFO", "debug": "DEBUG"}
            methods |= {"warn": "WARN", "error": "ERROR"}
            start_of_line = rf"{STAMP}\t{function.request_id}"
            lines = [rf"{STAMP}\tundefined\tINFO\tstarting\n"]
            for method, level in methods.items():
                lines.append(rf"{start_of_line}\t{level}\t{method} 1 {{ a: 1 }}\n")
            lines.append(rf"{start_of_line}\tTRACE\tTrace: trace 1 {{ a: 1 }}\n(    at .*\n)+")
            lines.append(r"plain\n")
            self.assertRegex(function.log(), "^" + "".join(lines) + "$")

"""Whatever a user or a stranger hands in that is wrong: a clear error, and nothing half done."""
import io
import json
import os
import socket
import zipfile

import harness

MIB = 1 << 20


def zip_of(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def zip_bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("zeros", "w") as entry:
            for _ in range(260):
                entry.write(bytes(MIB))
    return out.getvalue()


class Code(harness.NodeCase):
    """Code that is no code."""

    def test_zip_files(self):
        good = zip_of([("handler.py", "def handler(event, context):\n    return 1\n")])
        cases = {
            "noise": (os.urandom(3000), 2, "not a zip"),
            "cut": (good[:-30], 2, "zip"),
            "escape": (zip_of([("handler.py", ""), ("../../escaped.py", "")]), 2, "/escaped.py"),
            "absolute": (zip_of([("/tmp/absolute.py", "")]), 2, "/tmp/absolute.py"),
            "twice": (zip_of([("same.py", "1"), ("./same.py", "2")]), 2, "same.py"),
            "bomb": (zip_bomb(), 8, "zeros"),
        }
        before = set((self.node.data / "code").iterdir())
        for name, (content, code, says) in cases.items():
            with self.subTest(name):
                path = self.node.home / f"{name}.zip"
                path.write_bytes(content)
                done = self.node.godwit("deploy", path, "--runtime", "python3",
                                        "--handler", "handler.handler")
                self.check_error(done, code, says)
        self.assertEqual(self.node.json("list"), [])
        self.assertEqual(set((self.node.data / "code").iterdir()), before)
        self.assertEqual(list(self.node.home.rglob("escaped.py")), [])

    def test_folders_and_settings(self):
        echo = harness.FUNCTIONS / "echo"
        (self.node.home / "empty").mkdir(exist_ok=True)
        cases = [
            ((self.node.home / "empty",), 2, "the folder is empty"),
            ((self.node.home / "nowhere",), 3, "no such folder"),
            ((echo, "--name", "a b!"), 2, "a b!"),
            ((echo, "--name", "x" * 65), 2, "64"),
            ((echo, "--runtime", "ruby3.2", "--handler", "a.b"), 2, "ruby3.2", "use python3"),
            ((echo, "--timeout", "901"), 2, "901"),
            ((echo, "--memory", "1"), 2, "128"),
            ((echo, "--memory", "lots"), 2, "lots"),
            ((echo, "--env", "no equals sign"), 2, "NAME=VALUE"),
            ((echo, "--env", "AWS_REGION=x"), 2, "'AWS_REGION' is set by the platform"),
            ((echo, "--env", "BIG=" + "x" * 5000), 2, "more than 4096 bytes"),
        ]
        for words, code, *says in cases:
            with self.subTest(words=words[1:]):
                self.check_error(self.node.godwit("deploy", *words), code, *says)
        self.assertEqual(self.node.json("list"), [])

    def check_failure(self, done, kind, *says):
        """The call was run, and the function's own error is the answer."""
        self.check_error(done, 1, kind)
        error = json.loads(done.out)
        self.assertEqual(error["errorType"], kind)
        for words in says:
            self.assertIn(words, error["errorMessage"])
        return error

    def test_functions_that_cannot_start(self):
        node = self.node
        node.deploy("no-handler", "echo", "handler.nobody")
        self.check_failure(node.godwit("invoke", "no-handler"), "Runtime.HandlerNotFound", "nobody")
        node.deploy("no-module", "echo", "nowhere.handler", runtime="python3")
        self.check_failure(node.godwit("invoke", "no-module"), "Runtime.ImportModuleError",
                           "nowhere")
        node.deploy("syntax-error")
        error = self.check_failure(node.godwit("invoke", "syntax-error"),
                                   "Runtime.UserCodeSyntaxError", "handler.py, line 2")
        self.assertIn("never closed", "".join(error["stackTrace"]))
        # It is the function that fails, not the node.
        self.check_error(node.godwit("doctor", "syntax-error"), 1, "does not start", "never closed")
        # Mended, it runs.
        node.deploy("syntax-error", "echo", "handler.handler")
        self.assertEqual(node.invoke("syntax-error", {"n": 1})["event"], {"n": 1})
        for name in ("no-handler", "no-module", "syntax-error"):
            node.ok("rm", name)


class Calls(harness.NodeCase):
    """Calls that cannot be made, and answers that cannot be given."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node.deploy("echo")
        cls.node.deploy("too-much", "misfits", "handler.returns_too_much")

    def post(self, name, body, **headers):
        status, answered, text = self.node.request(
            "POST", f"/2015-03-31/functions/{name}/invocations", body,
            {key.replace("_", "-"): value for key, value in headers.items()})
        return status, answered.get("x-amzn-ErrorType"), json.loads(text) if text else None

    def test_names(self):
        known = "arn:aws:lambda:us-east-1:000000000000:function:echo"
        self.assertEqual(self.post(known, "{}")[0], 200)
        self.assertEqual(self.post(known.replace(":", "%3A") + "%3A%24LATEST", "{}")[0], 200)
        cases = {"nobody": (404, "ResourceNotFoundException"),
                 f"{known}:other": (404, "ResourceNotFoundException"),
                 "echo:7": (404, "ResourceNotFoundException"),
                 "arn:aws:s3:::echo": (400, "ValidationException"),
                 "arn:aws:lambda:us-east-1:1:function:echo": (400, "ValidationException"),
                 "a%20b": (400, "ValidationException"),
                 "x" * 200: (400, "ValidationException")}
        for name, expected in cases.items():
            with self.subTest(name):
                status, kind, error = self.post(name, "{}")
                self.assertEqual((status, kind), expected)
                self.assertTrue(error["message"])

    def test_payloads(self):
        refused = (400, "InvalidRequestContentException")
        self.assertEqual(self.post("echo", "{not json")[:2], refused)
        self.assertEqual(self.post("echo", b"\xff\xfe")[:2], refused)
        self.assertEqual(self.post("echo", b"[" * 100_000)[0], 400)
        self.check_error(self.node.godwit("invoke", "echo", "{not json"), 2, "not JSON")
        self.check_error(self.node.godwit("invoke", "echo", "@/nowhere"), 3, "/nowhere")
        self.check_error(self.node.godwit("invoke", "echo", "@/tmp"), 2, "'/tmp' is a folder (")

        fits = json.dumps("x" * (6 * MIB - 2))
        status, _, answer = self.post("too-much", json.dumps({"bytes": 6 * MIB - 2}))
        self.assertEqual((status, len(answer)), (200, 6 * MIB - 2))
        self.assertEqual(self.post("echo", fits + " ")[:2], (413, "RequestTooLargeException"))
        event = {"X_Amz_Invocation_Type": "Event"}
        fits = json.dumps("x" * (MIB - 2))
        self.assertEqual(self.post("echo", fits, **event)[0], 202)
        self.assertEqual(self.post("echo", fits + " ", **event)[:2],
                         (413, "RequestTooLargeException"))
        (self.node.home / "big").write_text(json.dumps("x" * 6 * MIB), encoding="ascii")
        self.check_error(self.node.godwit("invoke", "echo", f"@{self.node.home}/big"), 8, "6291456")

    def test_answers(self):
        done = self.node.godwit("invoke", "too-much", '{"bytes": 6300000}')
        self.check_error(done, 1, "Function.ResponseSizeTooLarge")
        self.assertEqual(len(self.node.invoke("too-much", {"bytes": 10})), 10)

    def test_things_that_are_not_there(self):
        node = self.node
        unknown = "6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411"
        for words in (("invoke", "nobody"), ("rm", "nobody"), ("logs", "nobody"),
                      ("doctor", "nobody"), ("suspend", "i-0123456789"),
                      ("resume", "i-0123456789"), ("result", unknown)):
            with self.subTest(words=words):
                self.check_error(node.godwit(*words), 3, words[1])
        for words in (("suspend", "nobody"), ("result", "nobody"), ("result", "../../etc/passwd")):
            with self.subTest(words=words):
                self.check_error(node.godwit(*words), 2, words[1])
        self.check_error(node.godwit("suspend", "echo"), 2, "`godwit ps` lists them")
        self.check_error(node.godwit("ps", "--endpoint", "no.such.host.invalid:1"), 13,
                         "does not resolve", "HOST:PORT")
        self.check_error(node.godwit("ls"), 2, "did you mean 'list'?")
        self.check_error(node.godwit("logs", "echo", "-f"), 2, "'--follow'")
        self.check_error(node.godwit("frob"), 2, "frob")
        self.check_error(node.godwit("ps", "--frob"), 2, "--frob", "--help")
        self.check_error(node.godwit("invoke"), 2, "FUNCTION")

    def raw(self, sent):
        host, port = self.node.endpoint.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            answer = b""
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                while more := connection.recv(65536):
                    answer += more
            except ConnectionError:
                pass  # it was refused before all was sent
        return answer.split(b"\r\n")[0].decode()

    def test_requests_that_are_none(self):
        create = b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\n"
        cases = [
            (b"\x00\x01\x02\r\n\r\n", "400"),
            (b"GET / HTTP/9.9\r\n\r\n", "505"),
            (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
            (b"GET /x HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", "431"),
            (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "4"),
            (create + b"Content-Length: 1000\r\n\r\n{", "400"),
            (create + b"Content-Length: -5\r\n\r\n", "400"),
            (create + b"Content-Length: 99999999999\r\n\r\n", "413"),
            (create + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400"),
            (create + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
            (create + b"Transfer-Encoding: chunked\r\n\r\nnothex\r\n", "400"),
            (create + b"Content-Length: 2\r\n\r\n[]", "400"),
        ]
        for sent, status in cases:
            with self.subTest(sent=sent[:70]):
                self.assertRegex(self.raw(sent), f"^HTTP/1.1 {status}")
        self.assertEqual(self.node.invoke("echo", {"n": 2})["event"], {"n": 2})


if __name__ == "__main__":
    harness.main()

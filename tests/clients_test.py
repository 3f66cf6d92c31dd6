"""The real clients of AWS Lambda, unmodified, with a node: AWS CLI, boto3, JavaScript SDK."""
import base64
import io
import json
import pathlib
import unittest
import zipfile

import harness


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


ECHO = (harness.FUNCTIONS / "echo" / "handler.py").read_text(encoding="utf-8")
SECOND = "def handler(event, context):\n    return 'second'\n"
ROLE = "arn:aws:iam::000000000000:role/none"


class Clients(harness.NodeCase):

    def zip_file(self, files):
        path = pathlib.Path(self.node.home) / f"{self._testMethodName}.zip"
        path.write_bytes(zipped(files))
        return path

    def aws(self, *words):
        done = self.node.aws(*words)
        self.assertEqual(done.code, 0, done.err)
        return json.loads(done.out) if done.out.strip() else None

    def test_aws_cli(self):
        answer = self.node.home / "answer.json"
        made = self.aws("create-function", "--function-name", "cli", "--runtime", "python3.11",
                        "--handler", "handler.handler", "--role", ROLE,
                        "--environment", "Variables={GREETING=hello}",
                        "--zip-file", f"fileb://{self.zip_file({'handler.py': ECHO})}")
        self.assertEqual(made["FunctionName"], "cli")
        self.assertEqual(made["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:cli")
        self.aws("wait", "function-active-v2", "--function-name", "cli")
        listed = self.aws("list-functions")["Functions"]
        self.assertIn("cli", [one["FunctionName"] for one in listed])
        got = self.aws("get-function", "--function-name", "cli")
        self.assertEqual(got["Configuration"]["CodeSha256"], made["CodeSha256"])

        called = self.aws("invoke", "--function-name", "cli", "--log-type", "Tail",
                          "--cli-binary-format", "raw-in-base64-out",
                          "--payload", '{"name":"edge"}', str(answer))
        self.assertEqual((called["StatusCode"], called["ExecutedVersion"]), (200, "$LATEST"))
        self.assertIn("echo was called by", base64.b64decode(called["LogResult"]).decode())
        told = json.loads(answer.read_text(encoding="utf-8"))
        self.assertEqual((told["event"], told["greeting"]), ({"name": "edge"}, "hello"))

        changed = self.aws("update-function-configuration", "--function-name", "cli",
                           "--timeout", "9", "--handler", "handler.fail")
        self.assertEqual((changed["Timeout"], changed["Handler"]), (9, "handler.fail"))
        self.aws("wait", "function-updated-v2", "--function-name", "cli")
        failed = self.aws("invoke", "--function-name", "cli", "--cli-binary-format",
                          "raw-in-base64-out", "--payload", '{"name":"edge"}', str(answer))
        self.assertEqual((failed["StatusCode"], failed["FunctionError"]), (200, "Unhandled"))
        told = json.loads(answer.read_text(encoding="utf-8"))
        self.assertEqual((told["errorType"], told["errorMessage"]),
                         ("ValueError", "no such name: edge"))

        self.aws("update-function-configuration", "--function-name", "cli",
                 "--handler", "handler.handler")
        updated = self.aws("update-function-code", "--function-name", "cli",
                           "--zip-file", f"fileb://{self.zip_file({'handler.py': SECOND})}")
        self.assertNotEqual(updated["CodeSha256"], made["CodeSha256"])
        self.aws("invoke", "--function-name", "cli", str(answer))
        self.assertEqual(json.loads(answer.read_text(encoding="utf-8")), "second")

        self.aws("delete-function", "--function-name", "cli")
        gone = self.node.aws("get-function", "--function-name", "cli")
        self.assertEqual(gone.code, 254)
        self.assertIn("ResourceNotFoundException", gone.err)

    def test_boto3(self):
        client = self.node.boto3()
        self.addCleanup(client.close)
        made = client.create_function(
            FunctionName="boto", Runtime="python3.11", Handler="handler.handler", Role=ROLE,
            Code={"ZipFile": zipped({"handler.py": ECHO})}, MemorySize=256, Timeout=5,
            Environment={"Variables": {"GREETING": "hello"}})
        self.assertEqual(made["ResponseMetadata"]["HTTPStatusCode"], 201)
        client.get_waiter("function_active_v2").wait(FunctionName="boto",
                                                     WaiterConfig={"Delay": 1})
        names = [one["FunctionName"] for page in client.get_paginator("list_functions").paginate()
                 for one in page["Functions"]]
        self.assertIn("boto", names)
        configuration = client.get_function_configuration(FunctionName=made["FunctionArn"])
        self.assertEqual((configuration["MemorySize"], configuration["Timeout"]), (256, 5))

        context = base64.b64encode(json.dumps({"custom": {"from": "boto"}}).encode()).decode()
        called = client.invoke(FunctionName="boto", LogType="Tail", Payload=b'{"name": "edge"}',
                               ClientContext=context)
        told = json.loads(called["Payload"].read())
        harness.say(told)
        self.assertEqual((called["StatusCode"], told["event"], told["client"], told["memory"]),
                         (200, {"name": "edge"}, {"from": "boto"}, "256"))
        self.assertIn("echo was called by", base64.b64decode(called["LogResult"]).decode())
        self.assertEqual(client.invoke(FunctionName="boto", InvocationType="DryRun")["StatusCode"],
                         204)

        event = client.invoke(FunctionName="boto", InvocationType="Event", Payload=b'{"n": 1}')
        self.assertEqual(event["StatusCode"], 202)
        record = self.node.result(event["ResponseMetadata"]["RequestId"])
        self.assertEqual((record["status"], record["result"]["event"]), ("SUCCEEDED", {"n": 1}))

        client.update_function_configuration(FunctionName="boto", Handler="handler.fail")
        failed = client.invoke(FunctionName="boto", Payload=b'{"name": "edge"}')
        self.assertEqual(failed["FunctionError"], "Unhandled")
        error = json.loads(failed["Payload"].read())
        self.assertEqual((error["errorType"], error["errorMessage"]),
                         ("ValueError", "no such name: edge"))
        self.assertIn("handler.py", error["stackTrace"][0])

        before = client.get_function(FunctionName="boto")["Configuration"]
        with self.assertRaises(client.exceptions.PreconditionFailedException):
            client.update_function_code(FunctionName="boto", RevisionId="not the one",
                                        ZipFile=zipped({"handler.py": SECOND}))
        client.update_function_configuration(FunctionName="boto", Handler="handler.handler")
        after = client.update_function_code(FunctionName="boto",
                                            ZipFile=zipped({"handler.py": SECOND}))
        self.assertNotEqual(after["CodeSha256"], before["CodeSha256"])
        self.assertNotEqual(after["RevisionId"], before["RevisionId"])
        self.assertEqual(json.loads(client.invoke(FunctionName="boto")["Payload"].read()), "second")

        with self.assertRaises(client.exceptions.ResourceConflictException):
            client.create_function(FunctionName="boto", Runtime="python3.11", Role=ROLE,
                                   Handler="handler.handler",
                                   Code={"ZipFile": zipped({"handler.py": ECHO})})
        client.delete_function(FunctionName="boto")
        with self.assertRaises(client.exceptions.ResourceNotFoundException):
            client.invoke(FunctionName="boto")

    def test_javascript_sdk(self):
        clients = harness.ROOT / "tests" / "clients"
        if not (clients / "node_modules" / "@aws-sdk" / "client-lambda").exists():
            self.skipTest("@aws-sdk/client-lambda is not installed (run scripts/setup)")
        done = harness.run(["node", str(clients / "session.mjs"), self.node.endpoint,
                            str(self.zip_file({"handler.py": ECHO}))])
        self.assertEqual(done.code, 0, done.err)
        self.assertTrue(done.out.endswith("done\n"))


if __name__ == "__main__":
    harness.main()

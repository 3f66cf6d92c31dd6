"""Tests of what functions ask Godwit for, in both languages; runtimes_test.py runs them."""
import socket
import time
import unittest

from fake_runtime_api import COMMANDS, PATIENCE, Function, Request

GONE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}"


class Asked:
    """A connection on which the function asks for a callback."""

    def __init__(self, function):
        self.connection, _ = function.listener.accept()
        self.connection.settimeout(PATIENCE)
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self.connection.recv(65536)
        request = Request(data[:-4], b"")
        assert request.method == "GET", request.method
        before, _, self.number = request.path.partition("/callbacks/")
        assert before == f"/godwit/v1/invocations/{function.request_id}", request.path

    def answer(self, payload):
        """The function hangs up when it has it."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        self.send(head + b"Content-Length: %d\r\n\r\n%b" % (len(payload), payload))
        assert self.hung_up()

    def send(self, data):
        self.connection.sendall(data)

    def hung_up(self):
        with self.connection:
            try:
                return self.connection.recv(1) == b""
            except ConnectionResetError:
                return True


class Callbacks:
    """What holds for both. start(name) starts a function that is in SOURCE."""

    def test_one_after_the_other(self):
        with self.start("two") as function:
            for _ in range(2):  # each call begins at 0
                function.start_call({})
                for number, payload in enumerate((b'{"a": [1, "\xc3\xbc"]}', b"null")):
                    asked = Asked(function)
                    self.assertEqual(asked.number, str(number))
                    asked.answer(payload)
                self.assertEqual(function.finish_call().json, [{"a": [1, "ü"]}, None])

    def test_side_by_side(self):
        with self.start("together") as function:
            function.start_call({})
            for number in range(3):
                asked = Asked(function)
                self.assertEqual(asked.number, str(number))
                asked.answer(b"%d" % number)
            self.assertEqual(sorted(function.finish_call().json), [0, 1, 2])

    def test_in_pieces_and_frozen_meanwhile(self):
        with self.start("two") as function:
            function.start_call({})
            asked = Asked(function)
            function.freeze_and_thaw()
            for byte in b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"a"':
                asked.send(bytes([byte]))
            self.assertTrue(asked.hung_up())
            Asked(function).answer(b"1")
            self.assertEqual(function.finish_call().json, ["a", 1])

    def test_gives_up_in_time(self):
        with self.start("gives_up") as function:
            begun = time.monotonic()
            function.start_call({"seconds": 0.3})
            asked = Asked(function)
            self.assertTrue(asked.hung_up())
            self.assertGreater(time.monotonic() - begun, 0.29)
            late = Asked(function)
            self.assertEqual(late.number, "0")
            late.answer(b'"late"')
            self.assertEqual(function.finish_call().json, ["TimeoutError", "late"])

    def test_outside_of_a_call(self):
        with self.start("outside") as function:
            self.assertIn("no call runs", function.call({}).json)

    def test_a_broken_connection_and_a_strange_answer(self):
        with self.start("error") as function:
            for said, heard in ((b"", "cannot ask for a callback"),
                                (b"HTTP/1.1 500 X\r\nContent-Length: 1\r\n\r\n?", "500: ?")):
                function.start_call({})
                asked = Asked(function)
                asked.send(said)
                asked.connection.shutdown(socket.SHUT_RDWR)
                asked.connection.close()
                self.assertIn(heard, function.finish_call().json)

    def test_a_wait_that_its_call_does_not_outlive(self):
        with self.start("leaves") as function:
            self.assertEqual(function.call({"wait": True}).json, None)
            asked = Asked(function)
            asked.send(GONE)
            self.assertTrue(asked.hung_up())
            self.assertEqual(function.call({}).json, None)
            self.assertNotIn("rror", function.log())


PYTHON = """
import threading, time
import godwit

try:
    godwit.wait_for_callback()
except RuntimeError as error:
    refused = str(error)

def two(event, context):
    return [godwit.wait_for_callback(), godwit.wait_for_callback()]

def together(event, context):
    taken = []
    threads = [threading.Thread(target=lambda: taken.append(godwit.wait_for_callback()))
               for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return taken

def gives_up(event, context):
    try:
        return godwit.wait_for_callback(timeout=event["seconds"])
    except TimeoutError as error:
        return [type(error).__name__, godwit.wait_for_callback()]

def outside(event, context):
    return refused

def error(event, context):
    try:
        return godwit.wait_for_callback()
    except ConnectionError as error:
        return str(error)

def quietly():
    try:
        godwit.wait_for_callback()
    except RuntimeError:
        pass

def leaves(event, context):
    if event.get("wait"):
        threading.Thread(target=quietly).start()
        time.sleep(0.1)  # it asks before the call ends
"""

NODE = """
const godwit = require('godwit');

let refused;
godwit.waitForCallback().catch((error) => { refused = error.message; });

exports.two = async () => [await godwit.waitForCallback(), await godwit.waitForCallback()];

exports.together = () => Promise.all([1, 2, 3].map(() => godwit.waitForCallback()));

exports.gives_up = async ({ seconds }) => {
  try {
    return await godwit.waitForCallback({ timeoutMs: seconds * 1000 });
  } catch (error) {
    return [error.name, await godwit.waitForCallback()];
  }
};

exports.outside = async () => refused;

exports.error = () => godwit.waitForCallback().catch((error) => error.message);

exports.leaves = async ({ wait }) => {
  if (wait) {
    godwit.waitForCallback();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return null;
};
"""


class PythonCallbackTest(Callbacks, unittest.TestCase):
    @staticmethod
    def start(name):
        folder = COMMANDS["python3"][1].rpartition("/")[0]
        return Function("python3", {"handler.py": PYTHON}, f"handler.{name}",
                        {"PYTHONPATH": folder})

    def test_no_longer_than_a_socket_can_wait(self):
        with self.start("gives_up") as function:
            function.start_call({"seconds": 1e9})
            Asked(function).answer(b"1")
            self.assertEqual(function.finish_call().json, 1)


class NodeCallbackTest(Callbacks, unittest.TestCase):
    @staticmethod
    def start(name):
        folder = COMMANDS["nodejs"][1].rpartition("/")[0] + "/modules"
        return Function("nodejs", {"index.js": NODE}, f"index.{name}", {"NODE_PATH": folder})

    def test_no_longer_than_a_timer_can_wait(self):
        with self.start("gives_up") as function:
            function.start_call({"seconds": 1e9})
            Asked(function).answer(b"1")
            self.assertEqual(function.finish_call().json, 1)

"""The Lambda Runtime API (2018-06-01) over one connection that lives as long as the process.

An answer and the question for the next event leave in one send: `api.send(response(id, body) +
NEXT)`, then receive() the verdict on the answer, then receive() the next invocation. There is no
time-out anywhere: a wait may last for days, part of it as a checkpoint. Python retries EINTR itself
(PEP 475). Fails with Broken, which leaves the process nothing to do but to end.
"""
import _socket

_BASE = b" /2018-06-01/runtime/"
_HOST = b" HTTP/1.1\r\nHost: godwit\r\n"
_JSON = _HOST + b"Content-Type: application/json\r\nContent-Length: %d\r\n"

NEXT = b"GET" + _BASE + b"invocation/next" + _HOST + b"\r\n"
RESTORE = b"GET" + _BASE + b"restore/next" + _HOST + b"\r\n"
_RESPONSE = b"POST" + _BASE + b"invocation/%b/response" + _JSON + b"\r\n%b"
_ERROR = b"POST" + _BASE + b"%b/error" + _JSON + b"Lambda-Runtime-Function-Error-Type: %b\r\n\r\n%b"


class Broken(Exception):
    """The connection ended, or does not speak HTTP."""


def response(request_id, body):
    return _RESPONSE % (request_id.encode(), len(body), body)


def error(request_id, error_type, body, phase=b"init"):
    """The report of a failed invocation, or of a failed `phase` when request_id is empty."""
    where = b"invocation/" + request_id.encode() if request_id else phase
    # ascii() also escapes line ends, which a class name may hold and a header may not.
    return _ERROR % (where, len(body), ascii(error_type)[1:-1].encode(), body)


class Reply:
    """One HTTP response. Headers are searched when asked for: most are never read."""

    __slots__ = ("status", "body", "_head", "_lower")

    def __init__(self, head):
        self._head = head
        self._lower = head.lower()
        self.body = b""
        try:
            self.status = int(head[9:12])
        except ValueError:
            raise Broken(f"not an HTTP response: {head[:40]!r}") from None

    def header(self, name):
        """The value as a str, or None. The name: lower-case bytes."""
        at = self._lower.find(b"\r\n" + name + b":")
        if at < 0:
            return None
        at += len(name) + 3
        return self._head[at : self._head.find(b"\r\n", at)].strip().decode("utf-8", "replace")


class Api:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._rest = b""  # received, but not asked for yet
        try:
            self._socket.connect((host, int(port)))
            self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except (OSError, ValueError) as reason:
            raise Broken(reason) from None

    def send(self, request):
        try:
            self._socket.sendall(request)
        except OSError as reason:
            raise Broken(reason) from None

    def receive(self):
        """The next Reply; waits for it as long as it takes."""
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            self._fill()
        reply = Reply(self._rest[: end + 2])
        self._rest = self._rest[end + 4 :]
        if length := reply.header(b"content-length"):
            reply.body = self._take(int(length))
        elif (reply.header(b"transfer-encoding") or "").lower() == "chunked":
            reply.body = b"".join(self._chunks())
        return reply

    def _received(self, receive, buffer):
        try:
            data = receive(buffer)
        except OSError as reason:
            raise Broken(reason) from None
        if not data:
            raise Broken("the other end closed the connection")
        return data

    def _fill(self):
        self._rest += self._received(self._socket.recv, 65536)

    def _take(self, size):
        data, have = self._rest, len(self._rest)
        if have >= size:
            self._rest = data[size:]
            return data[:size]
        # A large body is received in place: adding it up piece by piece would copy it each time.
        self._rest = b""
        body = bytearray(size)
        body[:have] = data
        view = memoryview(body)
        while have < size:
            have += self._received(self._socket.recv_into, view[have:])
        return body

    def _line(self):
        while (end := self._rest.find(b"\r\n")) < 0:
            self._fill()
        line = self._rest[:end]
        self._rest = self._rest[end + 2 :]
        return line

    def _chunks(self):
        while size := int(self._line().split(b";")[0], 16):
            yield self._take(size)
            self._line()
        while self._line():  # trailers
            pass

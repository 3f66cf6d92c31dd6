"""How each example is called in `soak`, what it waits for, and what its right answer is.

An Example is entered once, with the servers that it needs; `once(client, number)` makes one call
and returns the answer and whether it is right. What is to come (a callback, a message, a payment)
comes after a moment at random, so that it finds the function awake, on its way to disk, there, or
on its way back.
"""
import contextlib
import json
import random
import shutil
import subprocess
import threading
import time
import urllib.request

from sides.failed import Failed
from sides.node import wait_for
from sides.servers import GATEWAY, broker, database, newsroom

LONGEST_MOMENT = 0.6  # seconds
ANSWER_WITHIN = 60  # seconds


class Example(contextlib.AbstractContextManager):
    """One that is called and answers; the callers are threads, each of which calls in turn."""

    name = ""
    callers = 2
    words = ()  # of `godwit deploy`

    def __init__(self, bench):
        self.bench = bench
        self.open = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.open.close()
            raise
        return self

    def begin(self):
        """Starts what it waits for."""

    def __exit__(self, *_):
        self.open.close()

    def call(self, client, event):
        return json.loads(client.invoke(self.name, json.dumps(event).encode()))

    def start(self, client, event):
        request = client.start_call(self.name, json.dumps(event).encode())
        time.sleep(random.uniform(0, LONGEST_MOMENT))
        return request

    @staticmethod
    def end(client, request):
        return wait_for(lambda: client.result(request), f"call {request}", ANSWER_WITHIN)


class Greeter(Example):
    name = "greeter"

    def once(self, client, number):
        answer = self.call(client, {"name": f"soak {number}"})
        return answer, answer == {"greeting": f"Hello, soak {number}!"}


class Reminder(Example):
    name = "reminder"

    def once(self, client, number):
        answer = self.call(client, {"text": f"t{number}", "seconds": 0.4})
        return answer, answer["sum"] == 385 and answer["reminder"] == f"t{number}"


class Native(Example):
    name = "native"

    def once(self, client, number):
        answer = self.call(client, {"limit": 2000, "seconds": 0.3})
        return answer, answer == {"primes": 303, "largest": 1999}


class CounterNode(Example):
    """Its count must have no gap, so nobody else may call it."""

    name = "counter-node"
    callers = 1
    last = 0

    def once(self, client, number):
        answer = self.call(client, {})
        right = answer["call"] == self.last + 1
        self.last = answer["call"]
        return answer, right


class Approval(Example):
    """Its call waits for a callback."""

    name = "approval"

    def once(self, client, number):
        yes = random.random() < 0.5
        items = [{"price": 100, "count": number + 1}]
        request = self.start(client, {"who": "soak", "items": items})
        body = json.dumps({"yes": yes, "by": f"by {number}"}).encode()
        client.ask("POST", f"/godwit/v1/invocations/{request}/callback", body)
        answer = self.end(client, request)
        total = 100 * (number + 1)
        return answer, answer == {"total": total, "ordered": yes, "by": f"by {number}"}


class DoorWatch(Example):
    """Waits for a message of a real Mosquitto."""

    name = "door-watch"

    def begin(self):
        if not shutil.which("mosquitto_pub"):
            raise Failed("mosquitto-clients is not here (run scripts/setup)")
        self.port = str(self.open.enter_context(broker(self.bench)))
        self.words = ["--network", "nat"]
        self.words += ["--env", f"BROKER={GATEWAY}", "--env", f"PORT={self.port}"]

    def once(self, client, number):
        request = self.start(client, {"door": str(number)})
        # Kept by the broker, for whoever has not subscribed yet.
        publish = ["mosquitto_pub", "-p", self.port, "-t", f"doors/{number}", "-q", "1", "--retain"]
        subprocess.run([*publish, "-m", f"guest {number}"], check=True, timeout=ANSWER_WITHIN)
        answer = self.end(client, request)
        return answer, answer == {"door": str(number), "rang": f"guest {number}"}


class NewsWatch(Example):
    """Waits in long polls of a real HTTP server."""

    name = "news-watch"

    def begin(self):
        self.port = self.open.enter_context(newsroom(self.bench))
        self.words = ["--network", "nat", "--env", f"NEWSROOM={GATEWAY}:{self.port}"]

    def once(self, client, number):
        request = self.start(client, {"topic": f"topic {number}"})
        body = json.dumps({"topic": f"topic {number}", "headline": f"news {number}"}).encode()
        url = f"http://127.0.0.1:{self.port}/news"
        with urllib.request.urlopen(url, body, ANSWER_WITHIN) as response:
            told = json.load(response)
        answer = self.end(client, request)
        return answer, answer == told and told["headline"] == f"news {number}"


class OrderDesk(Example):
    """Waits for a notification of a real PostgreSQL."""

    name = "order-desk"

    def begin(self):
        try:
            import psycopg2  # pylint: disable=import-outside-toplevel
        except ImportError as error:
            raise Failed("python3-psycopg2 is not here (run scripts/setup)") from error
        port = self.open.enter_context(database(self.bench))
        where = f"port={port} user=desk dbname=postgres"
        self.words = ["--network", "nat", "--env", f"DATABASE=host={GATEWAY} {where}"]

        def connection():
            with contextlib.suppress(psycopg2.OperationalError):
                return psycopg2.connect(f"host=127.0.0.1 {where}")

        self.shop = self.open.enter_context(contextlib.closing(wait_for(connection, "the shop")))
        self.shop.autocommit = True
        self.lock = threading.Lock()

        def has_table():
            with contextlib.suppress(psycopg2.Error):
                self.say("SELECT 1 FROM orders")
                return True

        wait_for(has_table, "the table of orders")

    def say(self, words, *values):
        with self.lock, self.shop.cursor() as rows:
            rows.execute(words, values)

    def once(self, client, number):
        self.say("INSERT INTO orders VALUES (%s, %s)", number, f"item {number}")
        request = self.start(client, {"order": number})
        self.say("UPDATE orders SET paid = true WHERE id = %s", number)
        self.say("NOTIFY paid")
        answer = self.end(client, request)
        return answer, answer == {"order": number, "pack": f"item {number}"}


EXAMPLES = {kind.name: kind for kind in
            (Greeter, Reminder, Native, CounterNode, Approval, DoorWatch, NewsWatch, OrderDesk)}

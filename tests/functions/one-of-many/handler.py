"""Sleeps over a number and answers with its square."""
import time


def handler(event, _):
    number = event["number"]
    asleep = time.time()
    time.sleep(event["seconds"])
    return {"number": number, "square": number * number, "slept": time.time() - asleep}

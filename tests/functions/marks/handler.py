"""Leaves a mark in the log at each step, so that a test sees which ran, and how often."""
import time

count = 0


def sleep(event, context):
    global count
    count += 1
    print(f"begun {event['name']}")
    time.sleep(event["seconds"])
    print(f"ended {event['name']}")
    return {"name": event["name"], "attempt": context.attempt, "count": count}


def spin(event, context):
    print(f"begun {event['name']}")
    end = time.monotonic() + event["seconds"]
    rounds = 0
    while time.monotonic() < end:
        rounds += 1
    print(f"ended {event['name']}")
    return {"name": event["name"], "attempt": context.attempt}

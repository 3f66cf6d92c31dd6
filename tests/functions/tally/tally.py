"""Counts in a local variable, with a pause after each step, and says each number."""
import time


def handler(event, context):
    kept = bytearray(event.get("mib", 0) << 20)
    for i in range(0, len(kept), 4096):
        kept[i] = i // 4096 % 251
    total = 0
    for i in range(1, event["to"] + 1):
        total += i
        print(f"at {i}", flush=True)
        time.sleep(event.get("pause", 0.1))
    whole = all(kept[i] == i // 4096 % 251 for i in range(0, len(kept), 4096))
    return {"total": total, "whole": whole, "request": context.aws_request_id}

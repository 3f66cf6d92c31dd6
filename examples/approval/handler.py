"""Adds up an order, waits until somebody says yes or no, however long that takes, and goes on.

The wait is a line in the middle of the function. While it lasts, the whole process is put away: the
order, the total and the stack are in a file, and their memory is free.
"""
import godwit


def handler(event, context):
    total = sum(item["price"] * item.get("count", 1) for item in event["items"])
    if total < 100:
        return {"total": total, "ordered": True, "by": "nobody had to be asked"}
    print(f"{event['who']} wants to spend {total}: say yes or no to {context.aws_request_id}")
    answer = godwit.wait_for_callback()
    return {"total": total, "ordered": answer["yes"], "by": answer["by"]}

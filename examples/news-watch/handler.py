"""Waits for news of a topic: for what an HTTP server has to say, however long that takes."""
import http.client
import json
import os


def handler(event, context):
    desk = http.client.HTTPConnection(os.environ["NEWSROOM"])  # and no time-out
    seen = 0
    while True:
        # A long poll: the server answers when there is news after the last that was seen, or when
        # it has held the question for long enough, with none.
        desk.request("GET", f"/news?after={seen}")
        with desk.getresponse() as answer:
            if answer.status != 200:
                raise ConnectionError(f"the newsroom answered {answer.status} {answer.reason}")
            news = json.load(answer)
        for item in news:
            seen = item["number"]
            if item["topic"] == event["topic"]:
                desk.close()
                return item

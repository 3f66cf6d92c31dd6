"""Two hundred calls that block at the same time: all put away, all answered rightly.

GODWIT_TEST_CALLS says how many. Each caller waits on a connection of its own.
"""
import concurrent.futures
import json
import os
import time

import harness

CALLS = int(os.environ.get("GODWIT_TEST_CALLS", "200"))
# All are asleep before the first wakes up, on a crowded machine too.
SECONDS = 20 + 0.2 * CALLS


class Many(harness.NodeCase):

    def call(self, number):
        event = json.dumps({"number": number, "seconds": SECONDS})
        status, headers, body = self.node.request(
            "POST", "/2015-03-31/functions/one-of-many/invocations", event, timeout=600)
        return status, headers.get("X-Amz-Function-Error"), json.loads(body)

    def test_all_are_put_away_and_answered(self):
        self.node.deploy("one-of-many", "one-of-many")
        idle = self.node.rss()
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(CALLS) as pool:
            calls = [pool.submit(self.call, number) for number in range(CALLS)]
            self.node.wait_for(state="SUSPENDED", count=CALLS, within=SECONDS + 60)
            harness.say(f"{CALLS} calls are put away after {time.monotonic() - begun:.1f} s; "
                        f"the daemon holds {self.node.rss() / 2**20:.1f} MiB "
                        f"({idle / 2**20:.1f} MiB before)")
            # A spare instance may have been started for a call that another one took.
            rows = [row for row in self.node.ps() if row["request_id"]]
            self.assertEqual(len(rows), CALLS)
            self.assertEqual({row["state"] for row in rows}, {"SUSPENDED"})
            self.assertEqual(sum(row["memory_bytes"] for row in rows), 0)
            harness.say(f"on disk: {sum(row['image_bytes'] for row in rows) / 2**20:.0f} MiB")
            answers = [call.result() for call in calls]
        late = []
        for number, (status, error, answer) in enumerate(answers):
            self.assertEqual((status, error), (200, None), answer)
            self.assertEqual((answer["number"], answer["square"]), (number, number * number))
            late.append(answer["slept"] - SECONDS)
        late.sort()
        harness.say(f"late by {late[0] * 1000:.0f} to {late[-1] * 1000:.0f} ms, "
                    f"half by at most {late[len(late) // 2] * 1000:.0f} ms; "
                    f"all done after {time.monotonic() - begun:.1f} s")
        self.assertGreaterEqual(late[0], 0)


if __name__ == "__main__":
    harness.main()

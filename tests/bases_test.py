"""Images that share pages: what they take and need, and that nothing of it is ever missing or left
over (docs/adr/0014).

What a store has is looked up in its tables: which images lie in it, and which each of them needs.
"""
import json
import os
import random
import signal
import sqlite3
import unittest

import harness
from harness import PLAIN, eventually

MIB = 1 << 20
PAGES = 64 * MIB // 4096


def rows(node, table="instance"):
    """{image: (facts, what it takes)} of those that are put away, or of templates."""
    database = sqlite3.connect(f"file:{node.data}/godwit.db?mode=ro", uri=True)
    try:
        found = database.execute(f"SELECT image, facts, image_bytes FROM {table}").fetchall()
    finally:
        database.close()
    return {image: (json.loads(facts), size) for image, facts, size in found}


def bases(facts):
    return [base["image"] for base in facts.get("bases", [])]


def path_of(node, image):
    return node.data / "blobs" / image[:2] / image[2:]


def spoil(path, *places):
    """Changes a bit at each of these places: parts of its size."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        for place in places:
            file.seek(int(size * place))
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))


def blobs(node):
    return {path.parent.name + path.name for path in (node.data / "blobs").rglob("*")
            if path.is_file()}


def zips(node):
    database = sqlite3.connect(f"file:{node.data}/godwit.db?mode=ro", uri=True)
    try:
        found = database.execute("SELECT body FROM function").fetchall()
    finally:
        database.close()
    return {json.loads(body)["zip_id"] for body, in found}


class Shelf:
    """What lies on disk is what is needed."""

    def check_exact(self, node):
        def seen():
            needed = set(zips(node))
            for table in ("instance", "template"):
                for image, (facts, _) in rows(node, table).items():
                    needed |= {image, *bases(facts)}
            return needed, blobs(node)
        needed, there = harness.last(
            lambda: (found := seen(), found[0] == found[1]), 20)
        self.assertEqual(needed - there, set(), "missing")
        self.assertEqual(there - needed, set(), "left over")

    @staticmethod
    def wait_for_template(node, function):
        def status():
            path = f"/2015-03-31/functions/{function}/configuration"
            return json.loads(node.request("GET", path)[2])["SnapStart"]["OptimizationStatus"]
        eventually(lambda: status() == "On", what=f"the template of '{function}'")


class SameInstance(unittest.TestCase, Shelf):

    def image_bytes(self, node):
        return node.ps(function="heap")[0]["image_bytes"]

    def test_the_second_image_has_what_changed(self):
        with harness.Node(*PLAIN, "--keep-awake").start() as node:
            node.deploy("heap", memory=512, timeout=120)
            self.assertEqual(node.invoke("heap", {"what": "fill", "pages": PAGES}), PAGES)
            instance = node.ps(function="heap")[0]["instance"]
            node.ok("suspend", instance)
            whole = self.image_bytes(node)
            self.assertGreater(whole, 64 * MIB)
            numbers = random.sample(range(PAGES), PAGES // 100)
            node.invoke("heap", {"what": "change", "numbers": numbers}, quiet=True)
            node.ok("suspend", instance)
            second = self.image_bytes(node)
            harness.say(f"the first image takes {whole}, the second {second} bytes")
            self.assertLessEqual(second, 64 * MIB * 2 // 100 + (64 << 10))
            self.check_exact(node)
            node.kill9()
            node.start()
            self.check_exact(node)
            self.assertEqual(node.invoke("heap", {"what": "check"}), [])

    def test_many_rounds_stay_small_and_right(self):
        with harness.Node(*PLAIN, "--keep-awake").start() as node:
            node.deploy("heap", memory=256, timeout=120)
            pages = PAGES // 4
            node.invoke("heap", {"what": "fill", "pages": pages})
            instance = node.ps(function="heap")[0]["instance"]
            node.ok("suspend", instance)
            whole = self.image_bytes(node)
            for _ in range(8):
                numbers = random.sample(range(pages), pages // 5)
                node.invoke("heap", {"what": "change", "numbers": numbers}, quiet=True)
                node.ok("suspend", instance)
                (facts, size), = rows(node).values()
                self.check_exact(node)
                together = size + sum(path_of(node, base).stat().st_size for base in bases(facts))
                harness.say(f"{size} of its own, {together} together, of {whole}")
                self.assertLessEqual(len(bases(facts)), 4)
                self.assertLess(together, 2.3 * whole)
            self.assertEqual(node.invoke("heap", {"what": "check"}), [])
            node.ok("rm", "heap")
            eventually(lambda: not blobs(node), what="the end of all images")

    def test_a_base_that_is_damaged_loses_the_instance_by_name(self):
        with harness.Node(*PLAIN, "--keep-awake").start() as node:
            node.deploy("heap", memory=256, timeout=120)
            node.invoke("heap", {"what": "fill", "pages": PAGES // 4})
            instance = node.ps(function="heap")[0]["instance"]
            node.ok("suspend", instance)
            node.ok("resume", instance)
            node.ok("suspend", instance)
            (facts, _), = rows(node).values()
            base, = bases(facts)
            spoil(path_of(node, base), 3 / 4)
            done = node.godwit("invoke", "heap", '{"what":"check"}')
            self.assertNotEqual(done.code, 0)
            self.assertIn(base[:8], done.out + done.err + node.log())
            self.assertEqual(node.invoke("heap", {"what": "check"}), "empty")

    def test_a_base_that_is_missing_loses_the_instance_by_name(self):
        with harness.Node(*PLAIN, "--keep-awake").start() as node:
            node.deploy("heap", memory=256, timeout=120)
            node.invoke("heap", {"what": "fill", "pages": PAGES // 16})
            instance = node.ps(function="heap")[0]["instance"]
            for _ in range(2):
                node.ok("resume" if node.ps(state="SUSPENDED") else "suspend", instance)
            node.ok("suspend", instance)
            (facts, _), = rows(node).values()
            base, = bases(facts)
            path_of(node, base).unlink()
            done = node.godwit("resume", instance)
            self.assertNotEqual(done.code, 0)
            self.assertIn(base, done.err)
            eventually(lambda: not node.ps(instance=instance), what="its end")
            self.check_exact(node)


class Clones(unittest.TestCase, Shelf):

    flags = ("--idle-after", "1h", "--blocked-after", "300ms")

    def node_with_sleepers(self, count=2, seconds=600):
        """Calls in clones of a template, put away; the template's image."""
        node = harness.Node(*self.flags).start()
        self.addCleanup(node.close)
        node.ok("deploy", harness.FUNCTIONS / "template", "--name", "f", "--prebake", "on",
                "--timeout", "30")
        self.wait_for_template(node, "f")
        calls = [node.submit("f", {"seconds": seconds}) for _ in range(count)]
        node.wait_for(function="f", state="SUSPENDED", count=count)
        template, = rows(node, "template")
        return node, calls, template

    def test_they_share_their_template(self):
        node, _, template = self.node_with_sleepers()
        whole = rows(node, "template")[template][1]
        for image, (facts, size) in rows(node).items():
            harness.say(f"{image[:8]} takes {size} bytes, the template {whole}")
            self.assertEqual(bases(facts), [template])
            self.assertLess(size, whole // 2)
        self.check_exact(node)
        node.ok("rm", "f")
        eventually(lambda: not blobs(node), what="the end of all images")

    def test_a_template_is_dropped_while_images_need_it(self):
        node, calls, template = self.node_with_sleepers(seconds=20)
        node.ok("deploy", harness.FUNCTIONS / "template", "--name", "f", "--timeout", "31")
        eventually(lambda: template not in rows(node, "template"), what="the end of the template")
        self.check_exact(node)
        self.assertTrue(path_of(node, template).exists())
        node.kill9()
        node.start()
        self.check_exact(node)
        self.assertTrue(path_of(node, template).exists())
        for call in calls:
            record = node.result(call)
            self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 1), record)
        eventually(lambda: not path_of(node, template).exists(), what="the end of its image")
        node.stop()
        self.check_exact(node)

    def test_a_start_drops_a_template_that_does_not_fit(self):
        node, calls, template = self.node_with_sleepers(count=1, seconds=15)
        node.stop()
        with sqlite3.connect(node.data / "godwit.db") as database:
            database.execute("UPDATE template SET depends = 'others'")
        database.close()
        node.start()
        self.assertEqual(rows(node, "template"), {})
        self.check_exact(node)
        self.assertTrue(path_of(node, template).exists())
        record = node.result(calls[0])
        self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 1), record)
        node.stop()  # an instance that lives keeps its last image, and what that refers to
        self.check_exact(node)

    @unittest.skipUnless(harness.FAULTS, "a build without fault points")
    def test_a_power_cut_takes_the_newest_image_of_one(self):
        """The other needs the same template, and loses nothing; neither does the template."""
        node = harness.Node(*self.flags)
        self.addCleanup(node.close)
        node.start(fault="209:kill:3")  # at the third image on its way to the disk
        node.ok("deploy", harness.FUNCTIONS / "template", "--name", "f", "--prebake", "on",
                "--timeout", "60")
        self.wait_for_template(node, "f")
        kept = node.submit("f", {"seconds": 20})
        first = node.wait_for(function="f", state="SUSPENDED")["instance"]
        cut = node.submit("f", {"seconds": 8})
        second, = [row["instance"] for row in
                   node.wait_for(function="f", state="SUSPENDED", count=2)
                   if row["instance"] != first]
        node.ok("resume", second)
        # Again, as soon as all of its memory is there.
        eventually(lambda: node.godwit("suspend", second).code == 0 or not node.alive(),
                   what="the second suspension")
        self.assertEqual(node.died(), -signal.SIGKILL)
        template, = rows(node, "template")
        images = {facts["instance"]: (image, bases(facts))
                  for image, (facts, _) in rows(node).items()}
        self.assertEqual(set(images), {first, second})
        for _, needed in images.values():
            self.assertIn(template, needed)
        image = path_of(node, images[second][0])
        os.truncate(image, image.stat().st_size // 2)

        node.boot_again()
        self.assertIn(f"the power cut took instance '{second}'", node.log())
        self.assertEqual([row["state"] for row in node.ps(instance=first)], ["SUSPENDED"])
        self.assertEqual(list(rows(node, "template")), [template])
        again, whole = node.result(cut), node.result(kept)
        self.assertEqual((again["status"], again["attempt"]), ("SUCCEEDED", 2), again)
        self.assertEqual((whole["status"], whole["attempt"]), ("SUCCEEDED", 1), whole)
        # All are clones of the one template.
        marks = {again["result"]["mark"], whole["result"]["mark"], node.invoke("f")["mark"]}
        self.assertEqual(len(marks), 1, marks)
        node.stop()
        self.check_exact(node)

    def test_a_template_that_is_damaged_loses_its_clones_by_name(self):
        node, calls, template = self.node_with_sleepers(seconds=8)
        spoil(path_of(node, template), 1 / 4, 1 / 2, 3 / 4)
        for call in calls:
            record = node.result(call)
            self.assertEqual((record["status"], record["attempt"]), ("FAILED", 1), record)
            self.assertIn(template[:8], json.dumps(record))
        # Nobody refers to it any more: further calls are served without it.
        eventually(lambda: template not in rows(node, "template"), what="the end of the template")
        self.assertIn(f"the template of 'f' is dropped: cannot read the blob '{template}'",
                      node.log())
        self.assertEqual(node.invoke("f")["hooks"], [])
        self.check_exact(node)
        node.stop()
        self.check_exact(node)

    @unittest.skipUnless(harness.FAULTS, "a build without fault points")
    def test_killed_at_each_step(self):
        # 208: bases chosen, 206: stored, 205: in the journal, 209: synced, 303: back again,
        # 210: something that nobody needs any more is about to go.
        for point, attempt in ((208, 2), (206, 2), (205, 1), (209, 1), (303, 2), (210, 2)):
            with self.subTest(point), harness.Node(*self.flags) as node:
                node.ok("deploy", harness.FUNCTIONS / "template", "--name", "f", "--prebake", "on",
                        "--timeout", "30")
                self.wait_for_template(node, "f")
                node.stop()
                node.start(fault=f"{point}:kill")
                call = node.submit("f", {"seconds": 3})
                if point == 210:
                    node.wait_for(function="f", state="SUSPENDED")
                    node.godwit("rm", "f")
                self.assertEqual(node.died(), -signal.SIGKILL)
                node.start()
                self.check_exact(node)
                if point != 210:
                    record = node.result(call)
                    self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", attempt))
                node.stop()  # an instance that lives keeps its last image
                self.check_exact(node)


if __name__ == "__main__":
    harness.main()

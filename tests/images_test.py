"""An image is its instance's and its suspension's, and nobody else's."""
import pathlib
import shutil
import sqlite3
import unittest

import harness


class Images(unittest.TestCase):

    def setUp(self):
        self.node = harness.Node("--blocked-after", "300ms").start()
        self.addCleanup(self.node.close)
        self.node.deploy("one-of-many", "one-of-many")

    def sleep(self, number):
        call = self.node.submit("one-of-many", {"number": number, "seconds": 600})
        return self.node.wait_for(request_id=call, state="SUSPENDED")["instance"]

    def rows(self):
        """What the store has of those that are put away: {instance: (facts, image)}."""
        with sqlite3.connect(self.node.data / "godwit.db") as database:
            rows = database.execute("SELECT id, facts, image FROM instance").fetchall()
        database.close()
        return {row[0]: row[1:] for row in rows}

    def write(self, instance, facts, image):
        with sqlite3.connect(self.node.data / "godwit.db") as database:
            database.execute("UPDATE instance SET facts = ?, image = ? WHERE id = ?",
                             (facts, image, instance))
        database.close()

    def file_of(self, image):
        return self.node.data / "blobs" / image[:2] / image[2:]

    def refuses(self, instance):
        done = self.node.godwit("resume", instance)
        self.assertNotEqual(done.code, 0)
        self.assertIn("its image is damaged, or is not that of its suspension", done.err)
        harness.eventually(lambda: not self.node.ps(instance=instance), what="its end")

    def test_one_instance_does_not_get_anothers(self):
        one, two = self.sleep(1), self.sleep(2)
        self.node.stop()
        rows = self.rows()
        self.write(one, rows[one][0], rows[two][1])
        self.write(two, rows[two][0], rows[one][1])
        self.node.start()
        self.refuses(one)
        self.refuses(two)

    def test_a_row_of_anothers_does_not_help(self):
        one, two = self.sleep(1), self.sleep(2)
        self.node.stop()
        facts, image = self.rows()[two]
        self.write(one, facts.replace(two, one), image)
        self.node.start()
        self.refuses(one)

    def older_and_newer(self):
        """An instance that was put away twice: it, a copy of its first image, and both rows."""
        instance = self.sleep(1)
        old = self.rows()[instance]
        copy = self.node.home / "old"
        shutil.copy(self.file_of(old[1]), copy)
        self.node.ok("resume", instance)
        self.node.ok("suspend", instance)
        new = self.rows()[instance]
        self.assertNotEqual(old[1], new[1])
        # It may be that the new one refers to pages of the old one; then it is there, but as such.
        harness.eventually(lambda: self.file_of(old[1]).exists() == (old[1] in new[0]),
                           what="the end of what nobody needs")
        self.node.stop()
        return instance, copy, old, new

    def test_an_old_image_under_the_newests_name(self):
        instance, copy, _, new = self.older_and_newer()
        shutil.copy(copy, self.file_of(new[1]))
        self.node.start()
        self.refuses(instance)

    def test_an_old_image_under_its_own_name(self):
        instance, copy, old, new = self.older_and_newer()
        self.file_of(old[1]).parent.mkdir(exist_ok=True)
        shutil.copy(copy, self.file_of(old[1]))
        self.write(instance, new[0], old[1])
        self.node.start()
        self.refuses(instance)

    def test_the_key_goes_with_the_row(self):
        instance = self.sleep(1)
        facts = self.rows()[instance][0]
        key = facts.split('"image_key":"')[1].split('"')[0]
        self.assertEqual(len(key), 64)
        self.node.ok("resume", instance)
        self.assertEqual(self.rows(), {})
        self.node.ok("rm", "one-of-many")  # or its next image might refer to this one
        self.assertEqual(self.node.stop(), 0)
        left = [path for path in pathlib.Path(self.node.data).rglob("*")
                if path.is_file() and path.name.startswith("godwit.db")
                and key.encode() in path.read_bytes()]
        self.assertEqual(left, [])

    def test_nobody_else_may_read_them(self):
        self.sleep(1)
        modes = {oct(path.stat().st_mode & 0o777)
                 for path in (self.node.data / "blobs").rglob("*") if path.is_file()}
        self.assertEqual(modes, {"0o600"})
        self.assertEqual(oct((self.node.data / "blobs").stat().st_mode & 0o777), "0o700")


if __name__ == "__main__":
    harness.main()

"""What the README of each example says to type works, and prints what it says.

In a README the first fenced block is what to type, the second what it prints.
"""
import concurrent.futures
import os
import re
import shutil

import harness


def blocks_of(readme):
    return [block.strip("\n") for block in re.findall(r"```\w*\n(.*?)```", readme, re.DOTALL)]


class Examples(harness.NodeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The commands name examples/… and `godwit`; nothing of them is written into the sources.
        shutil.copytree(harness.EXAMPLES, cls.node.home / "examples",
                        ignore=shutil.ignore_patterns("bootstrap"))
        programs = cls.node.home / "bin"
        programs.mkdir()
        (programs / "godwit").symlink_to(os.path.abspath(harness.binary()))
        cls.path = f"{programs}:{harness.environment()['PATH']}"
        folders = sorted(path for path in harness.EXAMPLES.iterdir() if path.is_dir())
        with concurrent.futures.ThreadPoolExecutor(len(folders)) as pool:
            cls.sessions = {folder.name: pool.submit(cls.session, folder) for folder in folders}

    @classmethod
    def session(cls, folder):
        typed, printed, *_ = blocks_of((folder / "README.md").read_text(encoding="utf-8"))
        env = harness.environment(GODWIT_ENDPOINT=cls.node.endpoint, PATH=cls.path)
        # What it starts in the background ends with it, whatever happens; timeout(1) tells all.
        typed = f"trap 'kill $(jobs -p) 2>&- || :' EXIT\n{typed}"
        done = harness.run(["setpriv", "--pdeathsig", "TERM", "timeout", "--kill-after", "10",
                            "200", "bash", "-e", "-c", typed], cwd=cls.node.home, env=env)
        return printed, done

    def check(self, name):
        printed, done = self.sessions[name].result()
        self.assertEqual(done.code, 0, done.err)
        # In that order; between them there may be more, such as what `godwit deploy` says.
        lines = iter(done.out.splitlines())
        for line in printed.splitlines():
            self.assertIn(line, lines)
        return done

    def test_greeter(self):
        self.check("greeter")

    def test_reminder(self):
        done = self.check("reminder")
        self.assertRegex(done.out, r"i-\w+ +reminder +SUSPENDED +0 B ")
        self.assertGreater(done.seconds, 20)

    def test_counter_node(self):
        self.check("counter-node")

    def test_approval(self):
        done = self.check("approval")
        self.assertRegex(done.out, r"approval +SUSPENDED +0 B .* its call waits for a callback")

    def test_native(self):
        done = self.check("native")
        self.assertGreater(done.seconds, 20)

    def test_door_watch(self):
        done = self.check("door-watch")
        self.assertRegex(done.out, r"door-watch +SUSPENDED +0 B ")

    def test_order_desk(self):
        done = self.check("order-desk")
        self.assertRegex(done.out, r"order-desk +SUSPENDED +0 B ")

    def test_news_watch(self):
        done = self.check("news-watch")
        self.assertRegex(done.out, r"news-watch +SUSPENDED +0 B ")

    def test_every_example_is_tried(self):
        tried = {name.removeprefix("test_").replace("_", "-") for name in dir(self)
                 if name.startswith("test_")}
        self.assertLessEqual(set(self.sessions), tried)


if __name__ == "__main__":
    harness.main(own_network=True)

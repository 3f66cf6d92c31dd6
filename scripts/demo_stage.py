"""The stage of scripts/demo: what it prints, the commands it runs, the node it starts and stops.

Everything lives in one temporary folder, and Stage.clear() leaves nothing behind: no process, no
file, no control group, however the tour ended.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATIENCE = 90  # seconds that anything may take
COLUMNS = 84  # of a command, before it goes on in the next line
AWS = "/usr/bin/aws"  # Debian's, not one of somebody's home
AWS_CONFIG = """[default]
region = us-east-1
cli_binary_format = raw-in-base64-out
cli_pager =
"""


class DemoError(Exception):
    """Something did not go as told: what, its operand, the reason, the way out."""

    def __init__(self, verb, operand, reason, way_out):
        super().__init__(f"demo: cannot {verb} '{operand}': {reason} ({way_out})")


def quoted(word):
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else "'" + word.replace("'", r"'\''") + "'"


class Terminal:
    def __init__(self):
        self.live = sys.stdout.isatty()
        self.colour = self.live and "NO_COLOR" not in os.environ
        self.steps = 0

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def line(self, text=""):
        print(text, flush=True)

    def step(self, title, *story):
        self.steps += 1
        if self.live:
            time.sleep(1.2)  # to read what was there
        self.line()
        self.line(self.paint("1", f"{self.steps}. {title}"))
        for line in story:
            self.line(self.paint("2", f"   {line}"))
        if story:
            self.line()

    def command(self, words, beside=False):
        """Shows a command as one would type it; a flag stays on the line of its value."""
        units = []
        for word in words:
            if units and units[-1].startswith("--") and " " not in units[-1] and word[0] != "-":
                units[-1] += " " + quoted(word)
            else:
                units.append(quoted(word))
        lines = [""]
        for unit in units + ["&"] * beside:
            if len(lines[-1]) + len(unit) > COLUMNS:
                lines[-1] += " \\"
                lines.append("      ")
            lines[-1] += " " + unit
        self.line("   " + self.paint("36", "$" + "\n   ".join(lines)))

    def output(self, text):
        for line in text.rstrip("\n").split("\n") if text.strip() else []:
            self.line(f"   {line}")


class Stage:
    def __init__(self, program):
        self.terminal = Terminal()
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="godwit-demo.")
        os.mkdir(self.path("bin"))
        os.symlink(program, self.path("bin", "godwit"))
        os.symlink(os.path.join(ROOT, "examples"), self.path("examples"))
        with open(self.path("aws.conf"), "w", encoding="utf-8") as file:
            file.write(AWS_CONFIG)
        self.endpoint = ""
        self.node = None
        self.callers = []
        self.environment = dict(
            os.environ,
            PATH=self.path("bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            AWS_ACCESS_KEY_ID="demo",
            AWS_SECRET_ACCESS_KEY="demo",
            AWS_CONFIG_FILE=self.path("aws.conf"),
            AWS_SHARED_CREDENTIALS_FILE="/dev/null",
            AWS_EC2_METADATA_DISABLED="true",
        )

    def path(self, *names):
        return os.path.join(self.folder, *names)

    # The node.

    def start_node(self, listen):
        """Starts a node and returns what it said when it was ready."""
        words = ["godwit", "node", "--data", self.path("data"), "--listen", listen]
        self.terminal.command(words, beside=True)
        return self._launch(words)

    def _launch(self, words):
        log = self.path("node.log")
        with open(log, "ab") as file:
            begin = file.tell()
            self.node = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=self.folder,
                env=self.environment, start_new_session=True, executable=self.program,
            )
        said = self.wait_for("start", "godwit node", lambda: self._node_says(log, begin))
        address = re.search(r"serves (\S+)", said).group(1)
        self.endpoint = f"http://{address}"
        self.environment["GODWIT_ENDPOINT"] = self.endpoint
        return said

    def _node_says(self, log, begin):
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(begin)
            lines = file.read().split("\n")
        for line in lines:
            if " serves " in line:
                return line
        if self.node.poll() is not None:
            raise DemoError("start", "godwit node", lines[0] or "it ended", "see above")
        return None

    def kill_node(self):
        self.terminal.command(["kill", "-9", str(self.node.pid)])
        self.node.kill()
        self.node.wait()

    def stop_node(self):
        if self.node is None:
            return
        if self.node.returncode == -signal.SIGKILL:
            # What a killed node leaves behind is cleared by the next one on its store.
            self._launch(["godwit", "node", "--data", self.path("data"), "--listen", "127.0.0.1:0",
                          "--keep-awake"])
        self.node.terminate()
        try:
            self.node.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.node.kill()
            self.node.wait()
        self.node = None

    # Commands.

    def run(self, *words, show=True):
        """Runs a command, prints it and what it prints, and returns its standard output."""
        if show:
            self.terminal.command(words)
        ran = subprocess.run(
            self._resolve(words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            cwd=self.folder, env=self.environment, timeout=PATIENCE, check=False,
        )
        if ran.returncode != 0:
            raise DemoError("run", " ".join(words[:4]), ran.stderr.strip() or "it failed",
                            f"its exit code is {ran.returncode}")
        if show:
            self.terminal.output(ran.stdout + ran.stderr)
        return ran.stdout

    def begin(self, *words):
        """Runs a command beside the tour."""
        self.terminal.command(words, beside=True)
        path = self.path(f"caller{len(self.callers)}.out")
        with open(path, "wb") as file:
            self.callers.append(subprocess.Popen(
                self._resolve(words), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                cwd=self.folder, env=self.environment, start_new_session=True,
            ))
        return self.callers[-1]

    def finish(self, caller):
        if caller.wait(PATIENCE) != 0:
            raise DemoError("finish", " ".join(caller.args[1:4]), "it failed", "see the node's log")

    @staticmethod
    def _resolve(words):
        return [AWS if words[0] == "aws" else words[0], *words[1:]]

    # Looking.

    def instances(self, function):
        listed = json.loads(self.run("godwit", "ps", "--json", show=False))
        return [instance for instance in listed if instance["function"] == function]

    @staticmethod
    def wait_for(verb, operand, look):
        """Returns the first true thing that look() gives."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.05)
        raise DemoError(verb, operand, f"nothing came of it in {PATIENCE} s", "see the node's log")

    # The end.

    def tell_log(self):
        try:
            with open(self.path("node.log"), encoding="utf-8", errors="replace") as file:
                lines = file.read().rstrip("\n").split("\n")[-12:]
        except OSError:
            return
        print("the node's log ends:", *lines, sep="\n  ", file=sys.stderr)

    def clear(self):
        for caller in self.callers:
            if caller.poll() is None:
                caller.kill()
            caller.wait()
        try:
            self.stop_node()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

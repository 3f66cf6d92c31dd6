"""Cold starts of Python functions that import a lot: as a clone of the function's template, as a
plain start, and beside the bare interpreter and `docker run` that import the same and end. Each
round deploys the function anew; only its first call is timed, and the template is there before."""
import json
import subprocess
import time

from sides.cold import timed
from sides.comparison import Mark, compare
from sides.docker_engine import Engine, NoEngine
from sides.node import Node, wait_for
from sides.plain_criu import find_criu

PYTHON = "/usr/bin/python3"
PLAIN = "Godwit, plain start"
CLONE = "Godwit, clone"
INTERPRETER = "python3 with the same imports"
DOCKER = "docker run"
SETTLE = 1  # second, until the node is as calm as it is between two calls
# Name, and the function; the second needs Debian's python3-boto3 and python3-psycopg2, the third
# python3-numpy and python3-pandas.
FUNCTIONS = {
    "the standard library": "heavy",
    "boto3 and psycopg2": "aws",
    "NumPy and pandas": "science",
}


def source_of(bench, function):
    return f"{bench.root}/bench/functions/{function}"


def run_interpreter(folder):
    command = [PYTHON, "-c", "import handler"]
    subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=True)


def can_import(folder):
    command = [PYTHON, "-c", "import handler"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def has_template(node, name):
    text = node.ask("GET", f"/2015-03-31/functions/{name}/configuration")
    return json.loads(text)["SnapStart"]["OptimizationStatus"] == "On"


def measure(bench):
    rounds = 2 if bench.quick else 10
    results = []
    try:
        with Engine(bench.folder("docker"), bench.cache("docker"), find_criu()) as engine:
            engine.import_host()
            results = measure_all(bench, rounds, engine)
    except NoEngine as reason:
        results = bench.left_out("docker run", str(reason)) + measure_all(bench, rounds, None)
    return results


def measure_all(bench, rounds, engine):
    results = []
    for what, function in FUNCTIONS.items():
        folder = source_of(bench, function)
        if not can_import(folder):
            bench.left_out(f"cold start, {what}", "the modules are not here (run scripts/setup)")
            continue
        sides = [CLONE, PLAIN, INTERPRETER] + ([DOCKER] if engine else [])
        mark = Mark(0.1, peer=PLAIN)
        result = compare(f"cold start, {what}", "ms", sides, mark, kind="imports")
        with Node(bench.godwit, bench.folder(function), ["--keep-awake"]) as node:
            for turn in range(-1, rounds):
                bench.progress(f"cold starts, {what}", turn, rounds)
                took = one_round(node, folder, engine)
                if turn >= 0:
                    for side, value in took.items():
                        result.of(side).add(value)
        results.append(result)
    return results


def one_round(node, folder, engine):
    took = {}
    node.deploy("cold", folder, "--prebake", "off", "--memory", "512")
    took[PLAIN] = timed(node.invoke, "cold")
    node.remove("cold")
    node.deploy("cold", folder, "--prebake", "on", "--memory", "512")
    wait_for(lambda: has_template(node, "cold"), "the template")
    time.sleep(SETTLE)
    took[CLONE] = timed(node.invoke, "cold")
    node.remove("cold")
    took[INTERPRETER] = timed(run_interpreter, folder)
    if engine:
        took[DOCKER] = engine.run_host([PYTHON, "-c", "import handler"], folder)
    return took

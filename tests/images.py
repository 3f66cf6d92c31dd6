"""Container images for tests, made of the host's own Python: no network, no Docker.

    layer(files)                a layer: {name: bytes}, a tar
    python_layer()              what a Python program needs, and nothing else
    docker_save(layers, start)  the archive that `docker save` would write
"""
import glob
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import tarfile

PYTHON = os.path.realpath("/usr/bin/python3")
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]

# A runtime of its own, as anybody may write one: it speaks the Runtime API and nothing else.
RUNTIME = b'''
import http.client, json, os, sys, time
node = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
calls = 0
while True:
    node.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = node.getresponse()
    event = json.loads(answer.read())
    request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    calls += 1
    print("call", calls, "of", sys.argv[1:], flush=True)
    if "fill" in event:
        filled = b"x" * (event["fill"] << 20)
    if "sleep" in event:
        time.sleep(event["sleep"])
    result = {"calls": calls, "words": sys.argv[1:], "folder": os.getcwd(), "uid": os.getuid(),
              "greeting": os.environ.get("GREETING"), "root": sorted(os.listdir("/"))}
    if "write" in event:
        try:
            open(event["write"], "w").close()
            result["wrote"] = True
        except OSError as error:
            result["wrote"] = str(error)
    node.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", json.dumps(result))
    node.getresponse().read()
'''


def layer(files, removed=()):
    """`files` are bytes, or a str: the target of a link. What is in `removed` is taken away."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        for name in removed:
            folder, base = os.path.split(name)
            tar.addfile(tarfile.TarInfo(os.path.join(folder, ".wh." + base)))
    return out.getvalue()


def python_layer():
    loads = subprocess.run(["ldd", PYTHON], capture_output=True, text=True, check=True).stdout
    paths = {PYTHON, *re.findall(r"(/\S+) \(0x", loads)}
    library = f"/usr/lib/{os.path.basename(PYTHON)}"
    paths.update(glob.glob(f"{library}/*.py") + glob.glob(f"{library}/lib-dynload/*.so"))
    for extension in glob.glob(f"{library}/lib-dynload/_ssl*.so"):
        loads = subprocess.run(["ldd", extension], capture_output=True, text=True, check=True)
        paths.update(re.findall(r"(/\S+) \(0x", loads.stdout))
    for package in ("collections", "encodings", "json", "re", "importlib", "http", "email",
                    "urllib"):
        paths.update(glob.glob(f"{library}/{package}/*.py"))
    files = {}
    for path in sorted(paths):
        with open(path, "rb") as content:
            files[path.lstrip("/")] = content.read()
    files["usr/bin/python3"] = os.path.basename(PYTHON)
    return layer(files)


def digest(content):
    return hashlib.sha256(content).hexdigest()


def configuration(layers, **config):
    diff_ids = ["sha256:" + digest(one) for one in layers]
    return json.dumps({"os": "linux", "architecture": ARCHITECTURE, "config": config,
                       "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()


def docker_save(layers, **config):
    text = configuration(layers, **config)
    files = {f"{digest(text)}.json": text}
    files.update({f"{number}/layer.tar": one for number, one in enumerate(layers)})
    manifest = [{"Config": f"{digest(text)}.json", "RepoTags": ["test:latest"],
                 "Layers": [f"{number}/layer.tar" for number in range(len(layers))]}]
    return layer({**files, "manifest.json": json.dumps(manifest).encode()})


def oci_layout(layers, **config):
    text = configuration(layers, **config)
    blobs = {digest(one): one for one in [text, *layers]}
    manifest = json.dumps({"config": {"digest": "sha256:" + digest(text)},
                           "layers": [{"digest": "sha256:" + digest(one)} for one in layers]})
    blobs[digest(manifest.encode())] = manifest.encode()
    files = {"blobs/sha256/" + name: one for name, one in blobs.items()}
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    files["index.json"] = json.dumps(
        {"manifests": [{"digest": "sha256:" + digest(manifest.encode())}]}).encode()
    return layer(files)


def flat(layers):
    """The root file system of layers that take nothing away, as one tar."""
    out = io.BytesIO()
    made = {""}
    with tarfile.open(fileobj=out, mode="w") as whole:
        for one in layers:
            with tarfile.open(fileobj=io.BytesIO(one)) as tar:
                for info in tar:
                    steps = info.name.split("/")[:-1]
                    for depth in range(1, len(steps) + 1):
                        folder = "/".join(steps[:depth])
                        if folder not in made:  # the Engine's own would be for root alone
                            made.add(folder)
                            above = tarfile.TarInfo(folder)
                            above.type, above.mode = tarfile.DIRTYPE, 0o755
                            whole.addfile(above)
                    whole.addfile(info, tar.extractfile(info) if info.isfile() else None)
    return out.getvalue()

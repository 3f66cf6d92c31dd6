"""Container images on the native engine: a tar becomes the root of a sandbox, put away and back."""
import gzip
import json
import os

import harness
import images

START = {"Entrypoint": ["/usr/bin/python3", "/app/runtime.py"], "Cmd": ["app.handler"],
         "Env": ["GREETING=of the image"], "WorkingDir": "/srv/here"}


class Images(harness.NodeCase):

    flags = ("--blocked-after", "300ms", "--idle-after", "400ms")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.layers = [images.python_layer(), images.layer({"app/runtime.py": images.RUNTIME,
                                                           "gone": b"x", "tmp": "/etc"}),
                      images.layer({"here": b"h"}, removed=["gone"])]

    def tar(self, content, name="image.tar"):
        path = self.node.home / name
        path.write_bytes(content)
        return path

    def unpacked(self):
        return sorted(os.listdir(self.node.data / "images"))

    def test_a_saved_image_runs_sleeps_and_comes_back(self):
        node = self.node
        said = node.ok("deploy", "boxed", "--image",
                       self.tar(images.docker_save(self.layers, **START)), "--timeout", "60")
        self.assertRegex(said, r"^boxed created: image sha256:[0-9a-f]{12}, [0-9.]+ MB$")
        first = node.invoke("boxed", {"write": "/app/x"})
        self.assertEqual((first["calls"], first["words"], first["folder"], first["greeting"]),
                         (1, ["app.handler"], "/srv/here", "of the image"))
        self.assertGreater(first["uid"], 1000)
        self.assertIn("denied", first["wrote"])
        self.assertIn("here", first["root"])
        self.assertNotIn("gone", first["root"])
        self.assertIn("call 1 of", node.ok("logs", "boxed"))
        # Put away between two calls, and in the middle of one.
        node.wait_for(function="boxed", state="SUSPENDED")
        self.assertEqual(node.invoke("boxed", {"write": "/tmp/x"})["wrote"], True)
        request = node.submit("boxed", {"sleep": 4})
        row = node.wait_for(function="boxed", state="SUSPENDED", request_id=request)
        self.assertGreater(row["image_bytes"], 0)
        record = node.result(request)
        self.assertEqual((record["status"], record["result"]["calls"]), ("SUCCEEDED", 3), record)

    def test_lambda_shows_and_changes_it(self):
        node = self.node
        tar = self.tar(gzip.compress(images.oci_layout(self.layers, **START), 1), "layout.tar.gz")
        made = node.json("deploy", "shown", "--image", tar, "--env", "GREETING=of the owner")
        self.assertEqual((made["PackageType"], "Runtime" in made), ("Image", False))
        client = node.boto3()
        code = client.get_function(FunctionName="shown")["Code"]
        self.assertEqual((code["RepositoryType"], code["ImageUri"], code["ResolvedImageUri"][:7]),
                         ("ECR", code["ImageUri"], "sha256:"))
        self.assertEqual(node.invoke("shown")["greeting"], "of the owner")
        changed = client.update_function_configuration(
            FunctionName="shown", ImageConfig={"Command": ["other", "words"],
                                               "WorkingDirectory": "/usr"})
        self.assertEqual(changed["ImageConfigResponse"]["ImageConfig"]["Command"],
                         ["other", "words"])
        answer = node.invoke("shown")
        self.assertEqual((answer["words"], answer["folder"]), (["other", "words"], "/usr"))
        client.create_function(FunctionName="again", Role="arn:aws:iam::000000000000:role/r",
                               PackageType="Image", Code={"ImageUri": code["ImageUri"]})
        self.assertEqual(node.invoke("again")["calls"], 1)

    def test_what_is_no_image_is_refused_and_leaves_nothing(self):
        node = self.node
        before = self.unpacked()
        for content, words in ((b"nonsense", ("tar",)),
                               (images.layer({"x": b"1"}), ("holds no image", "docker save")),
                               (images.docker_save([b"no tar"], **START), ("layer 1",)),
                               (images.docker_save(self.layers[2:]), ("entry point",)),
                               (images.docker_save([images.layer({"../x": b""})], **START),
                                ("layer 1", "'..'"))):
            done = node.godwit("deploy", "bad", "--image", self.tar(content))
            self.assertNotEqual(done.code, 0)
            self.check_error(done, done.code, "'bad'", *words)
        self.check_error(node.godwit("deploy", "bad", "--image", "nowhere.tar"), 3, "nowhere.tar")
        self.check_error(node.godwit("deploy", "bad", "--image", "sha256:" + "0" * 64), 2,
                         "--image FILE.tar")
        left = [name for name in self.unpacked() if name not in before]
        self.assertLessEqual(len(left), 1, "the image without an entry point waits to be deployed")
        self.assertFalse([name for name in left if name.startswith("upload")], left)

    def test_an_image_lives_as_long_as_its_function(self):
        with harness.Node(*self.flags) as node:
            tar = self.tar(images.docker_save(self.layers[:2], **START), "short.tar")
            node.ok("deploy", "short", "--image", tar, quiet=True)
            node.invoke("short")
            row = node.wait_for(function="short", state="SUSPENDED")
            node.stop()
            node.start()
            self.assertEqual(node.ps(state="SUSPENDED")[0]["instance"], row["instance"])
            self.assertEqual(node.invoke("short")["calls"], 2)
            node.ok("rm", "short")
            harness.eventually(lambda: not node.ps(), 20, "the end of its instances")
            node.stop()
            node.start()
            self.assertEqual(os.listdir(node.data / "images"), [])
            self.assertEqual(json.loads(node.request("GET", "/godwit/v1/instances")[2]), [])


if __name__ == "__main__":
    harness.main()

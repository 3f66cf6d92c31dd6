"""Tests that each check finds what it is for: `python3 tools/checks_test.py`."""
import os
import subprocess
import sys
import tempfile
import unittest

TOOLS = os.path.dirname(os.path.abspath(__file__))
PAGE = "/".join(("docs", "a.md"))


class ChecksTest(unittest.TestCase):
    def run_check(self, name, files):
        """Runs the check over a repository with only these files; its exit code and words."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            program = os.path.join(TOOLS, f"check_{name}.py")
            ran = subprocess.run(
                [sys.executable, program, root], capture_output=True, text=True, check=False
            )
        return ran.returncode, ran.stdout + ran.stderr

    def assert_finds(self, name, files, words):
        code, said = self.run_check(name, files)
        self.assertEqual(code, 1, said)
        self.assertIn(words, said)

    def assert_passes(self, name, files):
        code, said = self.run_check(name, files)
        self.assertEqual(code, 0, said)

    def test_an_arrow_that_climbs(self):
        self.assert_finds(
            "layers",
            {"src/storage/a.cc": '#include "storage/a.h"\n#include "functions/model.h"\n'},
            "'src/storage/a.cc:2': 'storage/' may not know 'functions/'",
        )

    def test_an_arrow_between_mechanisms(self):
        self.assert_finds(
            "layers",
            {"src/sandbox/a.h": '# include "checkpoint/image.h"\n'},
            "'sandbox/' may not know 'checkpoint/'",
        )

    def test_a_folder_without_a_floor(self):
        self.assert_finds("layers", {"src/attic/a.h": ""}, "'attic/' has no floor")

    def test_an_include_without_its_folder(self):
        self.assert_finds("layers", {"src/base/a.cc": '#include "a.h"\n'}, "names no folder")

    def test_arrows_that_are_allowed(self):
        self.assert_passes(
            "layers",
            {
                "src/node/a.cc": '#include "cli/run.h"\n#include "aws/api.h"\n',
                "src/checkpoint/a.cc": '#include "checkpoint/a.pb.h"\n#include <vector>\n',
                "src/base/a_test.cc": '#include "node/node.h"\n',
            },
        )

    def test_a_file_that_is_too_long(self):
        self.assert_finds("sizes", {"src/a.cc": "int a;\n" * 801}, "'src/a.cc': it has 801 lines")

    def test_files_that_are_long_together(self):
        files = {f"src/{name}.cc": "int a;\n" * 200 for name in "abc"}
        self.assert_finds("sizes", files, "the median file has 200 lines")

    def test_a_file_of_a_fitting_length(self):
        self.assert_passes("sizes", {"src/a.cc": "int a;\n" * 150})

    def test_a_dead_link(self):
        self.assert_finds("texts", {PAGE: "See [b](../b.md).\n"}, "there is no 'b.md'")

    def test_a_page_that_a_header_mentions(self):
        self.assert_finds("texts", {"src/a.h": f"// {PAGE}\n"}, f"there is no '{PAGE}'")

    def test_unfinished_work(self):
        self.assert_finds("texts", {"src/a.cc": "// TO" "DO: all\n"}, "marks unfinished work")

    def test_wide_lines_and_trailing_blanks(self):
        self.assert_finds("texts", {"a.py": "a" * 101 + "\n"}, "it has 101 columns")
        self.assert_finds("texts", {"a.js": "a; \n"}, "it ends in blanks")

    def test_a_text_in_order(self):
        self.assert_passes(
            "texts",
            {
                "README.md": f"[a]({PAGE}#part) and [out](https://example.com/a)\n",
                PAGE: "|" + " wide |" * 20 + "\n",
            },
        )


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""A small tree in which every check passes, to plant one fault in at a time."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


class Tree:
    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        at = self.path / name
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)

    def check(self, tool):
        """(passed, what it said)"""
        run = subprocess.run([ROOT / "tools" / tool, self.path], capture_output=True, text=True, check=False)
        assert run.returncode in (0, 1), run.stderr
        return run.returncode == 0, run.stdout


@pytest.fixture
def tree(tmp_path):
    tree = Tree(tmp_path)
    tree.write("LAYERS", "# modules\nbase:\ntext: base\nstore: base\ncmd: *\n\nsqlite3.h: src/store/store_sqlite*.c\nopenssl/: src/cmd/*.c\n")
    for module in ("base", "text", "store", "cmd"):
        tree.write(f"src/{module}/README.md", f"# {module}\n")
    tree.write("src/base/err.h", SPDX + "/* err */\n#pragma once\n")
    tree.write("src/text/uri.h", SPDX + '#pragma once\n#include "base/err.h"\n')
    tree.write("src/store/store.h", SPDX + '#pragma once\n#include "base/err.h"\n')
    tree.write("src/store/inner.h", SPDX + '/* inner — private to the store\n * module. */\n#pragma once\n#include "store/store.h"\n')
    tree.write("src/store/store_sqlite.c", SPDX + '#include "store/inner.h"\n#include <sqlite3.h>\n#include <sys/stat.h>\n')
    tree.write("src/cmd/main.c", SPDX + '#include "store/store.h"\n#include "text/uri.h"\n#include <openssl/evp.h>\n'
               "\nint\nmain(void)\n{\n\treturn 0;\n}\n")
    tree.write("tests/unit/base/test_err.c", SPDX + "static void\ntest_err__is_ok(void **state)\n{\n}\n")
    tree.write("README.md", "[map](LAYERS) and `test_err__is_ok`\n")
    return tree

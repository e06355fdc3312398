# SPDX-License-Identifier: Apache-2.0
"""Each check finds what it is there to find: one planted fault each, in a tree that passes without it."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"

CHECKS = ("check-layers", "check-words", "check-lengths", "check-files", "check-docs")


@pytest.mark.parametrize("tool", CHECKS + ("check-format",))
def test_a_tree_without_faults_passes(tree, tool):
    passed, said = tree.check(tool)
    assert passed, said


def long_function(lines):
    return "int\nlong_one(void)\n{\n" + "\tx();\n" * (lines - 2) + "}\n"


FAULTS = {
    # check-layers
    "an edge nobody wrote down": ("check-layers", "src/text/uri.c", '#include "store/store.h"\n', "text may not include store"),
    "an edge upwards": ("check-layers", "src/base/err.c", '#include "text/uri.h"\n', "base may not include text"),
    "another module's private header": ("check-layers", "src/cmd/x.c", '#include "store/inner.h"\n', "private to the store module"),
    "a header without its module": ("check-layers", "src/text/uri.c", '#include "uri.h"\n', "with its module"),
    "a header that is not there": ("check-layers", "src/text/uri.c", '#include "base/gone.h"\n', "not there"),
    "a foreign header outside its file": ("check-layers", "src/store/store.c", "#include <sqlite3.h>\n", "belongs in"),
    "a foreign folder outside its module": ("check-layers", "src/text/x.c", "#  include <openssl/sha.h>\n", "belongs in"),
    "a foreign header nobody fenced": ("check-layers", "src/text/x.c", "#include <expat.h>\n", "no fence"),
    "a module nobody knows": ("check-layers", "src/attic/x.c", "", "no such module"),
    # check-words
    "goto": ("check-words", "src/text/x.c", "\tgoto out;\n", "goto"),
    "sprintf": ("check-words", "src/text/x.c", "\tsprintf (a, b);\n", "sprintf"),
    "strcpy in a test": ("check-words", "tests/unit/text/x.c", "\tstrcpy(a, b);\n", "strcpy"),
    "malloc": ("check-words", "src/text/x.c", "\tp = malloc(n);\n", "malloc"),
    "calloc of many": ("check-words", "src/text/x.c", "\tp = calloc(n, sizeof(*p));\n", "calloc"),
    "the clock behind the seam's back": ("check-words", "src/text/x.c", "\tclock_gettime(CLOCK_REALTIME, &t);\n", "clock_gettime"),
    "chance behind the seam's back": ("check-words", "src/text/x.c", "\tn = rand();\n", "rand"),
    "half a character": ("check-words", "src/text/x.c", "\tx(STR_ARG(\n\t\tstr_first(s, 64)));\n", "str_cut"),
    "half a character printed": ("check-words", "src/text/x.c", "\t(void)snprintf(a, n, b);\n", "str_printf"),
    "an old word": ("check-words", "src/text/x.c", "int witness_path;\n", "rollback guard"),
    "a file with an old name": ("check-words", "src/text/pledge.c", "", "deferred response"),
    "an old word in a test's program": ("check-words", "tests/flow/test_x.py", "def place(path):\n    pass\n", "row key"),
    "an old word in a script without an ending": ("check-words", "bench/x", "#!/usr/bin/env python3\ntold = 1\n", "report"),
    "a test with an old name": ("check-words", "tests/flow/test_purse.py", "", "token bucket"),
    "an old word in a document": ("check-words", "docs/x.md", "It asks the far\nend.\n", "far end: an old word; write remote"),
    "an old word in a comment": ("check-words", "src/text/x.c", "/* Belongs to this room. */\n", "module"),
    "a note to oneself": ("check-words", "src/text/x.c", "/* TODO later */\n", "TODO"),
    "dead code": ("check-words", "src/text/x.c", "#if 0\n#endif\n", "#if 0"),
    # check-lengths
    "a cellar": ("check-lengths", "src/text/x.c", "\n" * 600, "601 lines"),
    "a fat header": ("check-lengths", "src/text/x.h", "\n" * 250, "251 lines"),
    "a long function": ("check-lengths", "src/text/x.c", long_function(61), "long_one() has 61 lines"),
    "a wide line": ("check-lengths", "src/text/x.c", "\t" * 15 + "1\n", "121 columns"),
    "blanks at an end": ("check-lengths", "src/text/x.c", "int x; \n", "blanks"),
    # check-format
    "blanks where clang-format has none": ("check-format", "src/text/x.c", "int   x;\n", "clang-format -i src/text/x.c"),
    "a table by hand without a word": ("check-format", "tests/unit/text/x.c", "int x[] = { 1,  2 };\n", "clang-format -i tests/unit/text/x.c"),
    # check-files
    "a header read twice": ("check-files", "src/text/x.h", "", "#pragma once"),
    "somebody's machine": ("check-files", "docs/x.md", "see /ro" "ot/notes\n", "one machine"),
    # check-docs
    "a dead link": ("check-docs", "docs/x.md", "[gone](gone.md)\n", "leads nowhere"),
    "a test that is not there": ("check-docs", "docs/x.md", "`test_err__is_gone`\n", "no test"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_found(tree, what):
    tool, name, text, expected = FAULTS[what]
    tree.write(name, (SPDX if name.endswith((".c", ".h")) else "") + text)
    passed, said = tree.check(tool)
    assert not passed
    assert expected in said
    assert len(said.splitlines()) == 1, f"one fault was planted, but: {said}"


def test_what_only_looks_like_a_fault_passes(tree):
    tree.write("src/text/x.c", SPDX + long_function(60) + '/* strcpy(a, b); goto out; */\nconst char *s = "malloc(1) TO" "DO";\n'
               '/* #include "store/store.h" */\n\tmy_strcpy(a); a.time(b); a->time(b); x = calloc(1, sizeof(*x));\n')
    tree.write("src/text/y.c", SPDX + "\n" * 599)
    for tool in CHECKS:
        passed, said = tree.check(tool)
        assert passed, said


def test_what_switches_the_format_off_passes(tree):
    tree.write("src/text/x.c", SPDX + "/* clang-format off */\nint x[] = { 1,  2 };\n/* clang-format on */\n")
    passed, said = tree.check("check-format")
    assert passed, said


def test_an_old_word_as_code_or_of_a_file_passes(tree):
    tree.write("docs/x.md", "`test_horizon`, [guard](horizon.md) and `PATH.witness`\n\n```\nthe far end\n```\n")
    tree.write("docs/horizon.md", "The file tidemark.db.witness stays.\n")
    tree.write("src/text/x.c", SPDX + 'const char *s = "this room";\n')
    passed, said = tree.check("check-words")
    assert passed, said


def test_an_old_word_in_a_message_or_in_a_test_is_found(tree):
    tree.write("src/text/x.c", SPDX + 'const char *s = "the far end answers";\n')
    tree.write("tests/flow/test_x.py", '"""A far end."""\n')
    passed, said = tree.check("check-words")
    assert not passed and "src/text/x.c:2" in said and "test_x.py:1" in said, said


def test_a_missing_licence_line_is_found(tree):
    tree.write("src/text/x.c", "int x;\n")
    passed, said = tree.check("check-files")
    assert not passed and "no licence line" in said


def test_a_module_without_a_readme_is_found(tree):
    (tree.path / "src/text/README.md").unlink()
    passed, said = tree.check("check-files")
    assert not passed and "src/text: no README.md" in said


def test_a_ring_of_headers_is_found(tree):
    tree.write("src/store/a.h", SPDX + '#include "store/b.h"\n')
    tree.write("src/store/b.h", SPDX + '#include "store/a.h"\n')
    passed, said = tree.check("check-layers")
    assert not passed and "headers in a ring: src/store/a.h -> src/store/b.h -> src/store/a.h" in said


def test_layers_cannot_allow_a_module_below_to_look_up(tree):
    tree.write("LAYERS", "base: text\ntext: base\nstore: base\ncmd: *\nsqlite3.h: src/store/*.c\nopenssl/: src/cmd/*.c\n")
    passed, said = tree.check("check-layers")
    assert not passed and "not written before it" in said


HARD = ["-O2", "-fPIE", "-pie", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-fcf-protection",
        "-Wl,-z,relro,-z,now,-z,noexecstack"]
SOFT = {
    "not position independent": (["-fPIE", "-pie"], ["-fno-pie", "-no-pie"]),
    "no full RELRO": (["-Wl,-z,relro,-z,now,-z,noexecstack"], ["-Wl,-z,norelro,-z,lazy,-z,noexecstack"]),
    "executable stack": (["-Wl,-z,relro,-z,now,-z,noexecstack"], ["-Wl,-z,relro,-z,now,-z,execstack"]),
    "no stack canaries": (["-fstack-protector-strong"], ["-fno-stack-protector"]),
    "C library calls are not fortified": (["-D_FORTIFY_SOURCE=2"], ["-U_FORTIFY_SOURCE"]),
    "its own library search path": ([], ["-Wl,-rpath,/opt"]),
    "no landing pads for branch tracking": (["-fcf-protection"], ["-fcf-protection=none"]),
}


def hardened(tmp_path, flags):
    source = tmp_path / "x.c"
    source.write_text('#include <stdio.h>\n#include <string.h>\nint main(int n, char **v)\n{\n\tchar b[64];\n'
                      '\tstrncpy(b, v[n - 1], sizeof(b) - (size_t)n);\n\tprintf("%s", b);\n\treturn 0;\n}\n')
    subprocess.run(["gcc", "-w", "-o", tmp_path / "x", source, *flags], check=True)
    run = subprocess.run([ROOT / "tools/check-hardening", tmp_path / "x"], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


def test_a_hardened_binary_passes(tmp_path):
    assert hardened(tmp_path, HARD) == (0, "")


@pytest.mark.parametrize("what", SOFT)
def test_a_soft_spot_of_a_binary_is_found(tmp_path, what):
    without, instead = SOFT[what]
    status, said = hardened(tmp_path, [flag for flag in HARD if flag not in without] + instead)
    assert status == 1
    assert re.search(f": {what}$", said, re.M)


def build_module(tmp_path, **sources):
    """A folder as CMake leaves it, with one module of these files."""
    objects = tmp_path / "build" / "CMakeFiles" / "module_m.dir" / "src" / "m"
    objects.mkdir(parents=True, exist_ok=True)
    for name, text in sources.items():
        at = tmp_path / f"{name}.c"
        at.write_text(text)
        subprocess.run(["cc", "-c", "-o", objects / f"{name}.c.o", at], check=True)


def check_cycles(tmp_path, *modules):
    run = subprocess.run([ROOT / "tools" / "check-cycles", tmp_path / "build", *modules], capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return run.returncode == 0, run.stdout


DOWNWARDS = {
    "top": "int middle(void);\nint bottom(void);\nint top(void) { return middle() + bottom(); }\n",
    "middle": "int bottom(void);\nstatic int own(void) { return 1; }\nint middle(void) { return bottom() + own(); }\n",
    "bottom": "static int own(void) { return 2; }\nint bottom(void) { return own(); }\n",
}


def test_object_files_that_need_only_those_below_them_pass(tmp_path):
    build_module(tmp_path, **DOWNWARDS)
    assert check_cycles(tmp_path, "m") == (True, "")


@pytest.mark.parametrize("what", ("int top(void);\nint x(void) { return top(); }\n", "extern int value;\nint *x(void) { return &value; }\n"))
def test_object_files_that_need_each_other_are_found(tmp_path, what):
    """By a function or by data, and also over a third file."""
    build_module(tmp_path, **DOWNWARDS | {"bottom": what + DOWNWARDS["bottom"], "top": "int value;\n" + DOWNWARDS["top"]})
    passed, said = check_cycles(tmp_path, "m")
    assert not passed
    assert "m: 3 files need each other" in said
    assert "middle.c needs bottom of bottom.c" in said


def test_a_module_that_was_not_built_is_no_module_without_cycles(tmp_path):
    build_module(tmp_path, **DOWNWARDS)
    passed, said = check_cycles(tmp_path, "m", "attic")
    assert not passed
    assert "attic: nothing of it is built" in said

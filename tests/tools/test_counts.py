# SPDX-License-Identifier: Apache-2.0
"""script/test must not lose a failure: what each runner leaves behind is counted right."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def program(number, name, output, verdict):
    return (f"{number}/12 Testing: {name}\n{number}/12 Test: {name}\nCommand: \"x\"\nOutput:\n----------\n{output}"
            f"<end of output>\nTest time =   0.01 sec\n----------------------------------------------------------\n{verdict}\n"
            f"\"{name}\" end time: now\n----------------------------------------------------------\n\n")


GOOD = program(" 1", "base/test_str", "[==========] 5 test(s) run.\n[  PASSED  ] 5 test(s).\n", "Test Passed.")
BAD = program(2, "base/test_buf", "[  PASSED  ] 3 test(s).\n[  FAILED  ] 2 test(s), listed below:\n[  FAILED  ] test_a\n"
              "[  FAILED  ] test_b\n\n 2 FAILED TEST(S)\n", "Test Failed.")
SKIP = program(3, "store/test_disk", "[  PASSED  ] 1 test(s).\n[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] test_c\n",
               "Test Passed.")
DIED = program(4, "store/test_x", "[ RUN      ] test_d\n", "Test Failed.")
LEAKED = program(5, "store/test_y", "[  PASSED  ] 4 test(s).\nERROR: LeakSanitizer\n", "Test Failed.")
PLAIN = program(6, "other", "fine\n", "Test Passed.")
TIMED_OUT = program(7, "slow", "[ RUN      ] test_e\n", "Test timeout computed to be: 300")
CUT_SHORT = "8/9 Testing: cut\n8/9 Test: cut\n"

CTEST = {
    "all passed": (GOOD, "5 0 0"),
    "functions failed": (GOOD + BAD, "8 2 0"),
    "skipped": (SKIP + GOOD, "6 0 1"),
    "a program died": (GOOD + DIED, "5 1 0"),
    "a program leaked": (LEAKED, "4 1 0"),
    "a program that is not cmocka's": (PLAIN, "1 0 0"),
    "a program was stopped": (TIMED_OUT + GOOD, "5 1 0"),
    "the log ends in the middle": (GOOD + CUT_SHORT, "5 1 0"),
    "nothing at all": ("", "0 0 0"),
}

JUNIT = {
    "all passed": ('<?xml version="1.0"?><testsuites><testsuite name="pytest" errors="0" failures="0" skipped="0" tests="45" time="4">',
                   "45 0 0"),
    "of all kinds": ('<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10">', "4 3 3"),
    "nothing": ("", "0 0 0"),
}


def count(runner, path, text):
    path.write_text(text)
    run = subprocess.run([ROOT / "tools/count-tests", runner, path], capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.mark.parametrize("what", CTEST)
def test_ctest_is_counted(tmp_path, what):
    text, expected = CTEST[what]
    assert count("ctest", tmp_path / "log", text) == expected


@pytest.mark.parametrize("what", JUNIT)
def test_pytest_is_counted(tmp_path, what):
    text, expected = JUNIT[what]
    assert count("junit", tmp_path / "xml", text) == expected


def test_nodes_runner_is_counted(tmp_path):
    text = "TAP version 13\nok 1 - a\n1..4\n# tests 4\n# suites 0\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0\n"
    assert count("tap", tmp_path / "tap", text) == "2 1 1"


@pytest.mark.parametrize("text, expected", [("ok  a\n3 passed, 1 failed\n", "3 1 0"), ("3 passed, 0 failed, 2 skipped\n", "3 0 2"),
                                            ("died\n", "0 0 0")])
def test_our_own_runners_are_counted(tmp_path, text, expected):
    assert count("plain", tmp_path / "log", text) == expected

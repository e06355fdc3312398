# SPDX-License-Identifier: Apache-2.0
"""What the check tools share: C files of a tree, and C text with comments and literals blanked out."""

import pathlib
import re
import sys

_LITERALS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_COMMENTS = re.compile(r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|/\*.*?\*/|//[^\n]*', re.S)


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code_only(text):
    """The same text, line for line, with comments, strings and characters replaced by blanks."""
    return _LITERALS.sub(_blank, text)


def without_comments(text):
    """Comments blanked, literals kept (an include's name is one)."""
    return _COMMENTS.sub(lambda match: match.group(1) or _blank(match), text)


def comments_only(text):
    """The comments alone, line for line: code and literals replaced by blanks."""
    kept = without_comments(text)
    return "".join(old if new != old or old == "\n" else " " for old, new in zip(text, kept))


def files(root, *globs):
    """Paths under root that match, sorted, as (path, name relative to root)."""
    root = pathlib.Path(root)
    found = {path for pattern in globs for path in root.glob(pattern) if path.is_file()}
    return [(path, path.relative_to(root).as_posix()) for path in sorted(found)]


def root_argument(description):
    """The tree to check: the one argument, or the tree this tool stands in."""
    if len(sys.argv) > 2 or (len(sys.argv) == 2 and sys.argv[1] in ("-h", "--help")):
        print(f"usage: {sys.argv[0]} [ROOT]\n\n{description}", file=sys.stderr)
        sys.exit(2)
    if len(sys.argv) == 2:
        return pathlib.Path(sys.argv[1])
    return pathlib.Path(__file__).resolve().parent.parent


def report(tool, faults):
    """Prints the faults and ends the program: 0 without any, 1 otherwise."""
    for fault in faults:
        print(fault)
    if faults:
        print(f"{tool}: {len(faults)} fault{'s' if len(faults) > 1 else ''}", file=sys.stderr)
    sys.exit(1 if faults else 0)

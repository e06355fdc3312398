# SPDX-License-Identifier: Apache-2.0
"""The one page that tells the results: what stands between two marks is made anew."""

import pathlib

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/speed.md"


def put(begin, end, text, page=PAGE):
    """In one piece: a run that is stopped leaves the page as it was, or as it shall be."""
    old = page.read_text()
    before, after = old[:old.index(begin)], old[old.index(end):]
    new = page.with_suffix(".new")
    new.write_text("%s%s\n\n%s\n\n%s" % (before, begin, text, after))
    new.replace(page)

# SPDX-License-Identifier: Apache-2.0
"""A remote may redirect content to the public network, or to the kind of network it is of itself.

The tests stand in inside_redirects.py and run in a network of their own, so that nothing is sent anywhere even if the
program would.
"""
import os
import pathlib
import sys

import pytest

import own_net

KINDS = {"127.0.0.1": "loopback", "10.9.0.1": "private", "10.9.0.2": "private", "100.64.0.9": "private",
         "169.254.169.254": "link", "203.0.113.1": "public", "203.0.113.2": "public", "::1": "loopback"}
NAMES = {"loop.test": "127.0.0.1", "six.test": "::1", "private.test": "10.9.0.2", "link.test": "169.254.169.254",
         "public.test": "203.0.113.2"}
PROXY = "10.9.0.3"
ADDRESSES = [address for address in KINDS if address not in ("127.0.0.1", "::1")] + [PROXY]


def test_redirects__in_a_network_of_their_own():
    here = pathlib.Path(__file__).parent
    done = own_net.run(ADDRESSES, NAMES, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
                                          str(here / "inside_redirects.py")],
                       env={**os.environ, "TIDEMARK_OWN_NET": "1"}, capture_output=True, text=True, timeout=300)
    if done is None:
        pytest.skip("no network of one's own can be had here")
    assert done.returncode == 0, done.stdout + done.stderr

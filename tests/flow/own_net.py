# SPDX-License-Identifier: Apache-2.0
"""Runs a command in a network of its own, which has no way out: own_net.py ADDRESS,... NAME=ADDRESS,... COMMAND...

The addresses are those of its loopback device, so what is sent to them stays there, and what is sent to any other goes
nowhere.  The names are looked up in a file of hosts that only this command sees.  Needs `unshare` of util-linux, as root or
with user namespaces.
"""
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile

SIOCSIFADDR, SIOCSIFFLAGS, SIOCSIFNETMASK, IFF_UP = 0x8916, 0x8914, 0x891C, 1


def ask(code, name, data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, code, struct.pack("16s16s", name.encode(), data))


def ipv4(address):
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))


def main(addresses, names, *command):
    ask(SIOCSIFFLAGS, "lo", struct.pack("H14x", IFF_UP))
    for number, address in enumerate(addresses.split(",")):
        ask(SIOCSIFADDR, f"lo:{number + 1}", ipv4(address))
        ask(SIOCSIFNETMASK, f"lo:{number + 1}", ipv4("255.255.255.255"))
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
        hosts.write("127.0.0.1 localhost\n")
        hosts.writelines(f"{address} {name}\n" for name, address in (pair.split("=") for pair in names.split(",")))
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
    os.execvp(command[0], command)


def run(addresses, names, command, **more):
    """As subprocess.run(); None where the system allows no such network."""
    alone = ["unshare", "--mount", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        return None
    return subprocess.run([*alone, sys.executable, __file__, ",".join(addresses),
                           ",".join(f"{name}={address}" for name, address in names.items()), *command], **more)


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of a test's own: in a temporary folder, on a Unix socket, as another user than root.

    tests/support/postgresql.py COMMAND...    runs the command with its URL in TIDEMARK_TEST_POSTGRESQL, and ends it
    Cluster()                                 .url .start() .stop() .kill() .sql(text) .close()

It ends with the process that started it, however that ends.  Exit status 77: PostgreSQL is not installed.
"""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
SKIPPED = 77
START_SECONDS = 60
# A process that is killed loses nothing that it gave to the kernel, so no test needs the disk.  Its shared memory lies in
# its own folder, so that one that is killed leaves nothing in /dev/shm.
SETTINGS = {"listen_addresses": "", "fsync": "off", "shared_buffers": "16MB", "max_connections": "60",
            "dynamic_shared_memory_type": "mmap", "autovacuum_naptime": "5s", "log_min_messages": "fatal"}


def is_installed():
    return (BIN / "postgres").exists()


class Cluster:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-pg-"))
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.folder.chmod(0o755)
        self.log = open(self.folder / "log", "wb")
        self.process = None
        subprocess.run([*self.as_user(), BIN / "initdb", "-D", self.folder / "data", "-N", "-A", "trust", "-U", "tidemark",
                        "-E", "UTF8", "--no-locale", "--no-instructions"], check=True, stdout=self.log, stderr=self.log)

    @property
    def url(self):
        return f"postgresql:///postgres?host={self.folder}&user=tidemark"

    def as_user(self):
        """A prefix for commands; what is started so dies with us."""
        command = ["setpriv", "--pdeathsig=QUIT"]
        if self.user:
            command += [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
        return command

    def start(self):
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        until = time.monotonic() + START_SECONDS
        while True:
            if self.process is None or self.process.poll() is not None:      # those of a killed one may still be ending
                self.process = subprocess.Popen([*self.as_user(), BIN / "postgres", "-D", self.folder / "data", *options,
                                                 f"-cunix_socket_directories={self.folder}"],
                                                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
            if subprocess.run([BIN / "pg_isready", "-q", "-h", self.folder], check=False).returncode == 0:
                return self
            assert time.monotonic() < until, (self.folder / "log").read_text(errors="replace")
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def sql(self, text):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", text], check=True,
                              stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    def close(self):
        self.stop(signal.SIGQUIT)
        self.log.close()
        # One that was killed leaves the small segment of the system by which it knows that it runs: the seventh line.
        held = self.folder / "data/postmaster.pid"
        if held.exists() and len(lines := held.read_text().splitlines()) > 6:
            subprocess.run(["ipcrm", "-m", lines[6].split()[1]], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder)


def main(command):
    if not is_installed():
        print("[  SKIPPED ] 1 test: postgresql-15 is not installed")
        return SKIPPED
    cluster = Cluster()
    try:
        cluster.start()
        return subprocess.run(command, check=False, env={**os.environ, "TIDEMARK_TEST_POSTGRESQL": cluster.url}).returncode
    finally:
        cluster.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

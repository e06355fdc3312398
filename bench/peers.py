# SPDX-License-Identifier: Apache-2.0
"""Calendar servers that are asked the same question: what has changed since this token?  CalDAV's sync-collection, nothing new.

Their packages are unpacked under build/bench/debian by `script/packages install bench`: nothing of them is installed, and
nothing of them runs but what a row starts, in a folder of its own, on loopback.
"""

import base64
import grp
import http.client
import imaplib
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time

import sides
from sides import KEPT, RUNNING, free_port

UNPACKED = KEPT / "debian"
EVENTS = 200
NOBODY = "nobody"
BASIC = "Basic " + base64.b64encode(b"reader:any").decode()
EVENT = ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tidemark//bench//EN\r\nBEGIN:VEVENT\r\nUID:event-%d\r\n"
         "DTSTAMP:20260101T000000Z\r\nDTSTART:20260101T090000Z\r\nDTEND:20260101T100000Z\r\nSUMMARY:Event %d\r\n"
         "END:VEVENT\r\nEND:VCALENDAR\r\n")
REPORT = ('<?xml version="1.0" encoding="utf-8"?><D:sync-collection xmlns:D="DAV:"><D:sync-token>%s</D:sync-token>'
          '<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>')
CYRUS_SETTINGS = """
configdirectory: {0}/conf
partition-default: {0}/spool
defaultpartition: default
cyrus_user: {1}
cyrus_group: {2}
admins: admin
sasl_pwcheck_method: alwaystrue
sasl_mech_list: PLAIN
allowplaintext: yes
httpmodules: caldav
httpallowcompress: no
unixhierarchysep: yes
"""
CYRUS_SERVICES = """
START {{
  recover cmd="{0}/ctl_cyrusdb -C {1}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{0}/imapd -C {1}/imapd.conf" listen="127.0.0.1:{2}" proto="tcp4" prefork=0
  http cmd="{0}/httpd -C {1}/imapd.conf" listen="127.0.0.1:{3}" proto="tcp4" prefork={4} maxchild=100
}}
EVENTS {{
}}
"""


def version(package):
    """Of what was unpacked, or is installed."""
    kept = UNPACKED / "versions"
    text = kept.read_text() if kept.exists() else ""
    found = re.search(r"^%s (\S+)" % re.escape(package), text, re.M)
    return found[1] if found else "none"


def wait_for(what, ready, job, log):
    for _ in range(200):
        if job.poll() is not None:
            break
        if ready():
            return
        time.sleep(0.05)
    raise SystemExit("bench: %s did not start: %s" % (what, pathlib.Path(log).read_text()[-300:].strip()))


def answers_http(port):
    try:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        link.request("OPTIONS", "/", headers={"Authorization": BASIC})
        link.getresponse().read()
        link.close()
        return True
    except OSError:
        return False


class CalDav:
    """One calendar of 200 events, and its newest sync-token."""

    what = path = None

    def __init__(self):
        if not UNPACKED.exists():
            raise SystemExit("%s is not here; `script/packages install bench` unpacks it" % self.what)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-%s-" % self.what.lower()))
        self.port, self.log = free_port(), self.folder / "log"
        self.url = "http://127.0.0.1:%d" % self.port
        self.job, self.token, self.whole_len, self.longest = None, None, 0, 0
        RUNNING.append(self)
        self.start()
        self.fill()

    @property
    def pids(self):
        """The server and its children of the moment."""
        found = subprocess.run(["pgrep", "-P", str(self.job.pid)], capture_output=True, text=True, check=False).stdout.split()
        return [self.job.pid] + [int(pid) for pid in found]

    def ask(self, method, path, body=None, wanted=207):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        kind = "text/calendar; charset=utf-8" if method == "PUT" else "application/xml"
        link.request(method, path, body=body, headers={"Authorization": BASIC, "Content-Type": kind, "Depth": "1"})
        answer = link.getresponse()
        text = answer.read().decode()
        self.whole_len = len(text) + sum(len(name) + len(value) + 4 for name, value in answer.getheaders()) + 40
        link.close()
        if answer.status != wanted:
            raise SystemExit("bench: %s gave %d for %s: %s" % (self.what, answer.status, method, text[:300]))
        return text

    def sync(self, token):
        """The changed names, and the next token."""
        text = self.ask("REPORT", self.path, REPORT % token)
        found = re.search(r"sync-token>([^<]+)</", text)
        if not found:
            raise SystemExit("bench: %s gave no sync-token" % self.what)
        return re.findall(r"href>[^<]*/([^/<]+\.ics)<", text), found[1]

    def fill(self):
        self.ask("MKCALENDAR", self.path, wanted=201)
        for at in range(EVENTS):
            self.ask("PUT", "%sevent-%d.ics" % (self.path, at), EVENT % (at, at), 201)
        names, before = self.sync("")
        if len(set(names)) != EVENTS:
            raise SystemExit("bench: %s told %d events, not %d" % (self.what, len(set(names)), EVENTS))
        self.ask("PUT", self.path + "one-more.ics", EVENT % (EVENTS, EVENTS), 201)
        names, self.token = self.sync(before)
        if names != ["one-more.ics"]:
            raise SystemExit("bench: %s told %s where one event was new" % (self.what, names))
        self.check()

    def check(self):
        """Nothing is told; and so long may such an answer be."""
        if self.sync(self.token)[0]:
            raise SystemExit("bench: %s still tells something" % self.what)
        self.longest = self.whole_len * 5 // 4

    def script(self):
        """For wrk: the question, and at the end a look at how long the answers were, for one that tells an event is longer.

        A look at each answer would make wrk itself slow.
        """
        return ("wrk.method = 'REPORT'\nwrk.headers['Content-Type'] = 'application/xml'\nwrk.headers['Depth'] = '1'\n"
                "wrk.body = [==[%s]==]\n"
                "done = function(summary)\n"
                "  if summary.requests > 0 and summary.bytes / summary.requests > %d then\n"
                "    io.stderr:write('the answers are too long to be empty\\n')\n    os.exit(1)\n  end\nend\n"
                % (REPORT % self.token, self.longest))

    def stop(self):
        if self in RUNNING:
            RUNNING.remove(self)
        if self.job:
            self.job.terminate()
            self.job.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Radicale(CalDav):
    """Radicale as Debian has it, with its own HTTP server, and everybody let in."""

    what, path = "Radicale", "/reader/bench/"

    def start(self):
        code = UNPACKED / "usr/lib/python3/dist-packages"
        with open(self.log, "w") as log:
            self.job = subprocess.Popen(
                ["/usr/bin/python3", "-m", "radicale", "--config", "", "--server-hosts", "127.0.0.1:%d" % self.port,
                 "--server-max-connections", "100", "--auth-type", "none", "--storage-filesystem-folder",
                 str(self.folder / "data"), "--logging-level", "error"],
                env={**os.environ, "PYTHONPATH": str(code)}, stdout=log, stderr=log)
        wait_for(self.what, lambda: answers_http(self.port), self.job, self.log)


class Cyrus(CalDav):
    """Cyrus' master with one HTTP and one IMAP service; any password is good.  It refuses to be root, and needs no syslog."""

    what, path = "Cyrus", "/dav/calendars/user/reader/bench/"

    def start(self):
        programs, imap = UNPACKED / "usr/lib/cyrus/bin", free_port()
        for name in ("conf/db", "conf/socket", "conf/proc", "conf/log", "spool"):
            (self.folder / name).mkdir(parents=True)
        account = pwd.getpwnam(NOBODY) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        group = grp.getgrgid(account.pw_gid).gr_name
        (self.folder / "imapd.conf").write_text(CYRUS_SETTINGS.format(self.folder, account.pw_name, group))
        (self.folder / "cyrus.conf").write_text(CYRUS_SERVICES.format(programs, self.folder, imap, self.port, sides.CONNECTIONS))
        become = {}
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "%s:%s" % (NOBODY, group), str(self.folder)], check=True)
            become = {"user": NOBODY, "group": group, "extra_groups": []}
        # A session of its own, for at its end the master signals its whole process group.
        libraries = sorted({str(path.parent) for path in UNPACKED.glob("**/lib*.so.*")})
        with open(self.log, "w") as log:
            self.job = subprocess.Popen(
                [str(programs / "master"), "-C", str(self.folder / "imapd.conf"), "-M", str(self.folder / "cyrus.conf"),
                 "-p", str(self.folder / "pid")], env={**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)},
                stdout=log, stderr=log, start_new_session=True, **become)
        wait_for(self.what, lambda: answers_http(self.port), self.job, self.log)
        with imaplib.IMAP4("127.0.0.1", imap) as link:
            link.login("admin", "any")
            if link.create("user/reader")[0] != "OK":
                raise SystemExit("bench: Cyrus would not make a mailbox")

# SPDX-License-Identifier: Apache-2.0
"""Power cuts, rebuilt from what the real program asked of the kernel.

    recorder = Recorder(home)               runs commands as `tm` does, under strace; Server(recorder, store) works too
    disk = Disk(root)                       a model of the folder `root`: what it shows, and what of that is on the disk
    events = recorder.events(root)          what was asked of that folder, in the order in which the calls ended
    disk.apply(event)                       one more of them
    disk.unsafe()                           names of what a power cut now would take something from
    disk.build(folder, cut)                 what a power cut may leave now; `cut` is one of CUTS or a random.Random

The model promises what POSIX does and no more.  A file's bytes are on the disk when a sync of the file began after the
write had ended; its name is when the folder was synced.  What is not: of a file any set of 512-byte sectors, with zeros
where the size has grown and the bytes have not come; of a folder's changes the first few.  A rename happens or does not.

An event is (kind, ...); those that are no change of the folder are ("say", bytes): what the process has told anybody else,
through a socket or standard error, and ("exit", code).  They are the moments at which something is promised.
"""
import os
import re
import subprocess
import time

from conftest import BIN, Runner

SECTOR = 512
CUTS = ("none", "all", "names", "zeros", "bytes")
CALLS = """open openat openat2 creat write pwrite64 writev pwritev pwritev2 sendto sendmsg lseek ftruncate truncate
           rename renameat renameat2 link linkat unlink unlinkat rmdir mkdir mkdirat symlink symlinkat fsync fdatasync
           mmap copy_file_range sendfile splice io_uring_setup exit_group""".split()
STRACE = ["strace", "-D", "-f", "-q", "--seccomp-bpf", "-y", "-xx", "-s", "99999999", "-e", "signal=none",
          "-e", "trace=" + ",".join(CALLS)]
LINE = re.compile(r"(\d+) +(?:(\w+)\(|<\.\.\. (\w+) resumed>)(.*)")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
NAMED = re.compile(r"(-?\d+|AT_FDCWD)<([^>]*)>(\(deleted\))?")
RECORDED = {"ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=0"}       # no leaks are looked for under a tracer


def plain(hexed):
    """The bytes that -xx prints."""
    return bytes.fromhex(hexed.replace("\\x", ""))


class Recorder(Runner):
    """Each command is recorded in a file of its own; events() are those of the last one."""

    def __init__(self, home):
        super().__init__(home)
        self.count, self.strangers = 0, set()

    def command(self, args, store):
        self.count += 1
        self.log = self.home / f"record-{self.count}"
        return [*STRACE, "-o", str(self.log), *super().command(args, store)]

    def __call__(self, *args, env=None, **more):
        return super().__call__(*args, env={**RECORDED, **(env or {})}, **more)

    def calls(self):
        """(name, arguments and result, begun, ended): the positions say which calls were under way at once."""
        until, text, begun = time.monotonic() + 60, "", {}
        while not re.search(r"\+\+\+ (exited|killed) .*\+\+\+\n\Z", text):
            assert time.monotonic() < until, f"the recording has no end: {text[-300:]}"
            text = self.log.read_text()
        for at, line in enumerate(text.splitlines()):
            match = LINE.match(line)
            if not match:
                continue
            pid, name, resumed, rest = match.groups()
            if rest.endswith("<unfinished ...>"):
                begun[pid] = (at, rest[:-len("<unfinished ...>")])
            elif name:
                yield name, rest, at, at
            else:
                start, front = begun.pop(pid)
                yield resumed, front + rest, start, at

    def events(self, root):
        """Those of the last command; a sync says how many of the events before it ended while it was under way."""
        ended, events = [], []
        reader = Reader(str(root), str(self.home), self.strangers)
        for name, rest, start, end in self.calls():
            for event in reader.read(name, rest):
                if event[0] == "sync":
                    event = ("sync", event[1], sum(1 for position in ended if position >= start))
                events.append(event)
                ended.append(end)
        return events


class Reader:
    """From system calls to events.  Paths are told from `root`, "" is root itself."""

    def __init__(self, root, cwd, strangers):
        self.root, self.cwd, self.at = root, cwd, {}
        self.strangers = strangers               # files and folders made elsewhere

    def inside(self, path):
        path = os.path.normpath(path)
        return path[len(self.root):].strip("/") if path == self.root or path.startswith(self.root + "/") else None

    def paths(self, rest):
        """The paths a call names, each under the folder that stands before it."""
        found, folder = [], self.cwd
        for match in re.finditer(f"{NAMED.pattern}|{TEXT.pattern}", rest):
            if match[2] is not None:
                folder = plain(match[2]).decode() if match[2].startswith("\\x") else folder
            else:
                found.append(os.path.join(folder, plain(match[4]).decode()))
                folder = self.cwd
        return found

    def read(self, name, rest):
        call, _, result = rest.rpartition(" = ")
        if name == "exit_group":
            yield "exit", int(re.match(r"\d+", rest)[0])
        elif result.startswith("-1") or result.startswith("?"):
            return
        elif name in ("open", "openat", "openat2", "creat"):
            yield from self.opened(name, call, result)
        elif name in ("fsync", "fdatasync", "ftruncate", "lseek", "mmap") or "write" in name or "send" in name:
            yield from self.through(name, call, result)
        elif name in ("copy_file_range", "splice", "io_uring_setup", "truncate", "symlink", "symlinkat"):
            assert self.root not in str(self.paths(call)), f"the model does not know {name}"
        else:
            yield from self.named(name, call)

    def opened(self, name, call, result):
        fd, path = NAMED.match(result)[1], self.paths(call)[0]
        self.at[fd] = 0
        if self.inside(path) is None:
            if "O_CREAT" in call and not path.startswith(("/dev", "/proc")):
                self.strangers.add(path)
            return
        assert "O_APPEND" not in call
        if "O_CREAT" in call or name == "creat":
            yield "make", self.inside(path), "file"
        if "O_TRUNC" in call or name == "creat":
            yield "size", self.inside(path), 0

    def through(self, name, call, result):
        named = NAMED.search(call)
        if not named:
            return
        fd, target = named[1], plain(named[2]).decode() if named[2].startswith("\\x") else None
        path = self.inside(target) if target and not named[3] else None
        if name == "lseek":
            self.at[fd] = int(result)
        elif name in ("fsync", "fdatasync"):
            if path is not None:
                yield "sync", path
        elif path is None:
            if "write" in name or name in ("sendto", "sendmsg"):
                yield "say", b"".join(plain(text) for text in TEXT.findall(call))
        elif name == "ftruncate":
            yield "size", path, int(call.rstrip(") ").rsplit(" ", 1)[1])
        elif name == "mmap":
            shared = "MAP_SHARED" in call and "PROT_WRITE" in call
            assert not shared or path.endswith("-shm"), f"{path} is written through memory"
        else:
            yield from self.written(name, call, int(result), fd, path)

    def written(self, name, call, count, fd, path):
        data = b"".join(plain(text) for text in TEXT.findall(call))[:count]
        assert "write" in name and name != "pwritev2" and len(data) == count, f"the model does not know {name}"
        if name.startswith("pwrite"):
            at = int(re.search(r", (\d+) *\) *$", call)[1])
        else:
            at = self.at[fd]
            self.at[fd] += count
        yield "write", path, at, data

    def named(self, name, call):
        paths = [self.inside(path) for path in self.paths(call)]
        if all(path is None for path in paths):
            if name.startswith("mkdir"):
                self.strangers.update(self.paths(call))
            return
        if name.startswith("mkdir"):
            yield "make", paths[0], "folder"
        elif name.startswith(("unlink", "rmdir")):
            yield "remove", paths[0]
        else:
            yield ("rename" if name.startswith("rename") else "link"), paths[0], paths[1]


class File:
    def __init__(self):
        self.base = bytearray()                          # on the disk
        self.pending, self.when = [], []                   # not yet: ("write", at, bytes), ("size", n), and at which event

    @staticmethod
    def put(data, op):
        if op[0] == "size":
            del data[op[1]:]
            data.extend(bytes(op[1] - len(data)))
        else:
            data.extend(bytes(max(0, op[1] - len(data))))
            data[op[1]:op[1] + len(op[2])] = op[2]

    def keep(self, count):
        for op in self.pending[:count]:
            self.put(self.base, op)
        del self.pending[:count]

    def bytes(self, cut):
        data = bytearray(self.base)
        if cut in ("none", "names"):
            return data
        for op in self.pending:
            if cut in ("all", "bytes"):
                self.put(data, op)
            elif op[0] == "size":
                if cut == "zeros" or cut.random() < 0.5:
                    self.put(data, op)
            elif cut == "zeros":
                self.put(data, ("size", max(len(data), op[1] + len(op[2]))))
            else:
                self.tear(data, op, cut)
        return data

    def tear(self, data, op, rng):
        likely, at, end = rng.choice((0, 0.5, 0.9, 1)), op[1], op[1] + len(op[2])
        while at < end:
            stop = min(end, (at // SECTOR + 1) * SECTOR)
            if rng.random() < likely:
                self.put(data, ("write", at, op[2][at - op[1]:stop - op[1]]))
            at = stop


class Folder:
    def __init__(self):
        self.base, self.shown = {}, {}                   # the names on the disk, and now
        self.pending, self.when = [], []                   # the changes between them, and at which event

    @staticmethod
    def put(names, change):
        for name, node in change:
            names.pop(name, None)
            if node is not None:
                names[name] = node

    def change(self, *change):
        self.put(self.shown, change)
        self.pending.append(change)

    def keep(self, count):
        for change in self.pending[:count]:
            self.put(self.base, change)
        del self.pending[:count]

    def names(self, cut):
        count = 0
        if cut in ("all", "names", "zeros"):
            count = len(self.pending)
        elif not isinstance(cut, str):
            count = cut.choice((0, len(self.pending), cut.randint(0, len(self.pending))))
        names = dict(self.base)
        for change in self.pending[:count]:
            self.put(names, change)
        return names


class Disk:
    def __init__(self):
        self.root = Folder()
        self.seen = 0                    # events so far
        self.made = set()                # every name there ever was

    def find(self, path):
        node = self.root
        for name in path.split("/") if path else ():
            node = node.shown.get(name)
            if node is None:
                return None
        return node

    def entry_of(self, path):
        folder, _, name = path.rpartition("/")
        return self.find(folder), name

    def apply(self, event):
        kind, *rest = event
        self.seen += 1
        if kind in ("say", "exit"):
            return
        if kind in ("make", "remove", "rename", "link"):
            self.rename(kind, *rest)
            return
        node = self.find(rest[0])
        if kind == "sync":
            count = sum(1 for at in node.when if at < self.seen - rest[1])
            node.keep(count)
            del node.when[:count]
        elif node is not None:
            node.pending.append((kind, *rest[1:]))
            node.when.append(self.seen)

    def rename(self, kind, path, to=None):
        folder, name = self.entry_of(path)
        if kind == "make":
            self.made.add(path)
            if name in folder.shown:
                return
            folder.change((name, File() if to == "file" else Folder()))
        elif kind == "remove":
            folder.change((name, None))
        else:
            self.made.add(to)
            target, new = self.entry_of(to)
            assert target is folder, "a rename from folder to folder"
            node = folder.shown[name]
            folder.change(*([(name, None)] if kind == "rename" else []), (new, node))
        folder.when.append(self.seen)

    def unsafe(self, node=None, path=""):
        """The names of what a power cut would take something from: new bytes, or the name of what is not empty."""
        for name, child in (node or self.root).shown.items():
            inside = f"{path}/{name}".strip("/")
            is_named = (node or self.root).base.get(name) is child
            if isinstance(child, Folder):
                yield from self.unsafe(child, inside)
            if child.pending if is_named and isinstance(child, File) else not is_named and (child.base or child.pending):
                yield inside

    def build(self, folder, cut, node=None):
        """Writes a folder as a power cut may leave it; "all" is what a kill leaves.  Gives a digest of it."""
        marks = []
        folder.mkdir()
        for name, child in sorted((node or self.root).names(cut).items()):
            path = folder / name
            if isinstance(child, Folder):
                marks.append((name, self.build(path, cut, child)))
            else:
                data = bytes(child.bytes(cut))
                path.write_bytes(data)
                path.chmod(0o600)
                marks.append((name, data))
        return hash(tuple(marks))

"""Servers under measurement: started on a core of their own, their CPU time and memory read from /proc, and ended with us."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

from place import WORK, Wrong

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Cores:
    """The proxy has the first core; the load and the upstream share the others. On one core, or unpinned, all have all."""

    def __init__(self, pinned=True):
        cores = sorted(os.sched_getaffinity(0))
        self.pinned = pinned and len(cores) > 1
        self.proxy, self.rest = (cores[:1], cores[1:]) if self.pinned else (cores, cores)

    @staticmethod
    def on(cores, command):
        return ["taskset", "-c", ",".join(map(str, cores)), *map(str, command)]


class Server:
    def __init__(self, name, command, cores, folder=None, env=None, log=None, ends_by=signal.SIGTERM):
        self.name, self.ends_by = name, ends_by
        self.log = pathlib.Path(log or WORK / "logs" / f"{name.replace(' ', '-')}.log")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        # Appending, so that the file can be emptied between two runs.
        with open(self.log, "ab") as log_file:
            self.child = subprocess.Popen(
                Cores.on(cores, command), stdin=subprocess.DEVNULL, stdout=log_file, stderr=log_file, cwd=folder,
                env={**os.environ, **(env or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def wait_until_listening(self, port, patience=60):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise Wrong(f"{self.name} ended at once; its log ends:\n{self.log.read_text()[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return self
            time.sleep(0.005)
        raise Wrong(f"{self.name} does not listen on {port}; see {self.log}")

    def tree(self):
        """Its process and everything that it has started."""
        children = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    children.setdefault(int(stat(entry.name)[1]), []).append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found.extend(children.get(pid, []))
        return found

    def cpu_us(self):
        """(user, system) so far, in microseconds."""
        user = system = 0
        for pid in self.tree():
            fields = stat(pid)
            user += int(fields[11])
            system += int(fields[12])
        return user * TICK_US, system * TICK_US

    def rss_kib(self):
        return sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB for pid in self.tree())

    def stop(self, patience=20):
        for sign in (self.ends_by, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(patience)
                return self.child.returncode
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def stat(pid):
    """The fields of /proc/PID/stat from the third on: the second may hold spaces."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def end_in_order():
    """SIGTERM ends this program as Ctrl-C does: through every `with`."""
    signal.signal(signal.SIGTERM, lambda *_: exit(143))

"""Whether a kernel still works: what waits for one waits as long as anything moves in it.

How long a cell takes says nothing about whether it hangs: the machine may be slow or busy. A kernel
that hangs is one whose processes all sleep.
"""

import os
import signal
import threading
import time

import psutil

# Seconds without any movement after which a kernel is given up.
PATIENCE = 300
# Seconds of a processor's time that count as movement. Less is what a kernel takes that idles.
MOVEMENT = 0.5
# Seconds between two lines about a cell that runs for long.
TELL_EVERY = 60


class Stillness:
    """How long a process and all those that it started have stood still."""

    def __init__(self, now):
        self.since = now
        self.used = 0.0

    def look(self, processes, now):
        used = 0.0
        awake = False
        for process in processes:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    # A process that waits for its turn or for the disk does not hang.
                    awake |= process.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
            except psutil.Error:
                continue  # it has just ended, or is somebody else's
            used += times.user + times.system
        # Less than before: a process has ended.
        if awake or used < self.used or used >= self.used + MOVEMENT:
            self.moved(now)
            self.used = used
        return now - self.since

    def moved(self, now):
        self.since = now


def family(pid):
    """The process and all those that it started."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


class Watch:
    """Ends the kernel when it has stood still for `patience` seconds.

    `pid` is asked for the kernel's process, which may not have started yet. `doing` is what the
    kernel works on, for a line a minute to `tell`. `end` ends more than the kernel, and without one.
    """

    def __init__(self, pid, tell, patience=PATIENCE, end=None):
        self.pid = pid
        self.tell = tell
        self.patience = patience
        self.end = end
        self.gave_up = False
        self._doing = ("the kernel's start", time.monotonic())
        self._stillness = Stillness(time.monotonic())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def begin(self, what):
        self._doing = (what, time.monotonic())
        self.moved()

    def moved(self):
        """Something arrived from the kernel."""
        self._stillness.moved(time.monotonic())

    def _run(self):
        told = time.monotonic()
        while not self._ended.wait(min(1, self.patience / 4)):
            now = time.monotonic()
            pid = self.pid()
            still = self._stillness.look(family(pid) if pid else [], now)
            what, since = self._doing
            if now - max(since, told) >= TELL_EVERY:
                told = now
                rest = f", nothing moves for {still:.0f} s" if still >= TELL_EVERY else ""
                self.tell(f"{what} has run for {now - since:.0f} s{rest}")
            if still >= self.patience and (pid or self.end):
                self.gave_up = True
                if self.end:
                    self.end()
                    return
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                return

    def reason(self):
        return (f"nothing has moved in the kernel for {self.patience} s: all its processes sleep, "
                "so it was ended")

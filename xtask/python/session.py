"""Measure what a user of the image has, from within: JupyterLab, its kernels, and their memory.

    session.py [--port PORT] [NAME ...]             the notebooks whose names begin so, one after the other:
                                                    the quick start and the tank story, unless others are named
    session.py [--port PORT] --kernels N,N [NAME]   so many kernels, each with this notebook executed

It starts the server as the image does and speaks to it as a browser: over HTTP, and a WebSocket for each
kernel. Sizes are proportional: what processes share counts once (PSS).
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from datetime import datetime, timezone
from pathlib import Path

# libtorch's own warnings, and nothing else, may stand on standard error.
HARMLESS = re.compile(r"^\[W\d+ .*\]|^\s*$")
# Seconds between two looks at the memory. To look takes some 20 ms for each kernel.
EVERY = 0.5
# Nothing that is alive is silent for so many seconds.
PATIENCE = 600
# What a kernel with its compilers takes while it works: none is started where less is free.
KERNEL = 1_400_000_000


class Failure(Exception):
    pass


class Server:
    """JupyterLab in the current directory, started as the image starts it."""

    def __init__(self, port):
        demand_free(port)
        self.port = port
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.token = secrets.token_hex(16)
        self.log = tempfile.TemporaryFile("w+")
        began = time.monotonic()
        self.process = subprocess.Popen(
            ["jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
             "--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}"],
            stdout=self.log, stderr=subprocess.STDOUT)
        while not self.answers():
            if self.process.poll() is not None:
                raise Failure(f"JupyterLab ended before it answered; it said\n{self.said()}")
            if time.monotonic() - began > PATIENCE:
                raise Failure(f"JupyterLab did not answer for {PATIENCE} s; it said\n{self.said()}")
            time.sleep(0.05)
        self.seconds = time.monotonic() - began

    def answers(self):
        try:
            self.ask("GET", "status")
            return True
        except OSError:
            return False

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def why(self):
        """Why a kernel ended that nobody asked to."""
        if killed():
            return ("it was killed, since the container's memory was used up\nGive it more: a kernel at "
                    f"work takes {KERNEL / 1e9:.1f} GB beside the server. Or end the kernels that nobody uses.")
        return f"not for want of memory; Jupyter and the kernel said\n{self.said()}"

    def wait(self, promised):
        """For the WebSockets, all of which answer the server's pings meanwhile."""
        async def patiently():
            return await asyncio.wait_for(promised, PATIENCE)

        try:
            return self.loop.run_until_complete(patiently())
        except asyncio.TimeoutError:
            raise Failure(f"nothing came from a kernel for {PATIENCE} s") from None

    def said(self):
        self.log.seek(0)
        return "".join("  " + line for line in self.log.readlines()[-20:])

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Session:
    """A notebook that was opened, with its kernel."""

    def __init__(self, server, notebook):
        # Jupyter's server stands on it; nothing else here needs it.
        from tornado.httpclient import HTTPRequest
        from tornado.websocket import websocket_connect

        self.server, self.notebook = server, notebook
        self.began = time.monotonic()
        self.id = uuid.uuid4().hex
        # A path of its own, or a second session of the same notebook would get the first one's kernel.
        self.session = server.ask("POST", "sessions", {
            "path": str(notebook.with_suffix(f".{self.id}.ipynb")), "name": notebook.name,
            "type": "notebook", "kernel": {"name": "convlens"}})
        kernel = self.session["kernel"]["id"]
        self.socket = server.wait(websocket_connect(HTTPRequest(
            f"ws://127.0.0.1:{server.port}/api/kernels/{kernel}/channels?session_id={self.id}",
            headers={"Authorization": f"token {server.token}"},
            connect_timeout=PATIENCE, request_timeout=PATIENCE), max_message_size=1 << 30))
        self.messages(self.send("kernel_info_request", {}))
        self.ready = self.elapsed()
        self.first_picture = None

    def elapsed(self):
        return time.monotonic() - self.began

    def send(self, kind, content):
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self.id, "username": "",
                  "version": "5.3", "date": datetime.now(timezone.utc).isoformat()}
        self.server.wait(self.socket.write_message(json.dumps({
            "channel": "shell", "header": header, "parent_header": {}, "metadata": {},
            "content": content, "buffers": []})))
        return header["msg_id"]

    def messages(self, request):
        """What the kernel says about a request, up to both its reply and its being idle again."""
        replied = idle = False
        said = []
        while not (replied and idle):
            text = self.server.wait(self.socket.read_message())
            if text is None:
                raise Failure(f"the connection to the kernel of {self.notebook.name} broke")
            message = json.loads(text)
            kind, content = message["header"]["msg_type"], message["content"]
            state = content.get("execution_state") if kind == "status" else None
            if state in ("restarting", "autorestarting", "dead"):
                raise Failure(f"the kernel of {self.notebook.name} ended: {self.server.why()}")
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind in ("display_data", "execute_result") and self.first_picture is None:
                if any(name.startswith("image/") for name in content["data"]):
                    self.first_picture = self.elapsed()
            replied |= kind.endswith("_reply")
            idle |= state == "idle"
            said.append((kind, content))
        return said

    def run(self):
        """Execute every cell; the seconds that all took."""
        started = time.monotonic()
        cells = json.loads(self.notebook.read_text())["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        for number, source in enumerate(code, 1):
            said = self.messages(self.send("execute_request", {
                "code": source, "silent": False, "store_history": True, "user_expressions": {},
                "allow_stdin": False, "stop_on_error": True}))
            for kind, content in said:
                if kind == "error":
                    raise Failure(f"cell {number} of {self.notebook.name} failed\n{content['evalue']}")
                if kind == "stream" and content["name"] == "stderr":
                    lines = content["text"].splitlines()
                    if not all(HARMLESS.match(line) for line in lines):
                        raise Failure(f"cell {number} of {self.notebook.name} says\n{content['text']}")
        return time.monotonic() - started

    def stop(self):
        self.socket.close()
        self.server.ask("DELETE", f"sessions/{self.session['id']}")


class Memory(threading.Thread):
    """The greatest sizes of the server, the kernels, their children and compilers, and of all together."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.peaks = {}
        self.lock = threading.Lock()
        self.start()

    def run(self):
        while True:
            sizes = self.look()
            with self.lock:
                for name, size in sizes.items():
                    self.peaks[name] = max(size, self.peaks.get(name, 0))
            time.sleep(EVERY)

    def look(self):
        sizes = dict.fromkeys(("server", "kernel", "child", "compilers"), 0)
        for pid, depth, name in family(self.server):
            sizes[role(depth, name)] += proportional(pid)
        return {**sizes, "together": sum(sizes.values())}

    def take(self):
        with self.lock:
            peaks, self.peaks = self.peaks, {}
        return peaks


def role(depth, name):
    """The kernel is the server's child, and runs the cells in a child of its own of the same name, by which
    cargo calls rustc as well."""
    if depth < 2:
        return ("server", "kernel")[depth]
    return "child" if depth == 2 and name == "convlens-kernel" else "compilers"


def family(root):
    """The process and all that it started: process, depth, name."""
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue  # it has just ended
            name, _, rest = text.partition("(")[2].rpartition(")")
            parents.setdefault(int(rest.split()[1]), []).append(int(entry))
            names[int(entry)] = name
    found = [(root, 0, names.get(root, ""))]
    for pid, depth, _ in found:
        found.extend((child, depth + 1, names[child]) for child in parents.get(pid, []))
    return found


def proportional(pid):
    try:
        for line in Path("/proc", str(pid), "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has just ended
    return 0


def group_files(*names):
    """Files of the group of processes that the container's limit holds for, of either version."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "memory" in controllers.split(","):
            root = Path("/sys/fs/cgroup", "memory" if controllers else "")
            for directory in (root / path.lstrip("/"), root):
                for name in names:
                    if (directory / name).is_file():
                        yield directory / name


def killed():
    """How many processes were ended for want of memory."""
    for file in group_files("memory.events", "memory.oom_control"):
        for line in file.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def peak_of_group():
    for file in group_files("memory.peak", "memory.max_usage_in_bytes"):
        return int(file.read_text())
    return None


def available():
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def demand_free(port):
    with socket.socket() as probe:
        # As the server does, or what an earlier one left would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Failure(f"port {port} is taken by another program ({error.strerror})\n"
                          "End that, or name another port: --port 9000.") from error


def notebooks(names):
    found = []
    for name in names:
        these = sorted(Path("notebooks").glob(f"{name}*.ipynb"))
        if not these:
            say(f"not tested: the image has no notebook whose name begins with {name}")
        found.extend(these)
    if not found:
        raise Failure("there is no notebook to test in this image")
    return found


def measure(server, memory, names):
    say(f"server answers after {server.seconds:.1f} s")
    for notebook in notebooks(names):
        session = Session(server, notebook)
        seconds = session.run()
        first = session.first_picture
        say(f"{notebook.name}: kernel ready {session.ready:.1f} s after opening, first picture "
            + (f"{first:.1f} s" if first else "never") + f"; all cells took {seconds:.1f} s")
        session.stop()
        peaks = memory.take()
        say("  at most " + ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in peaks.items()))
    peak = peak_of_group()
    if peak:
        say(f"peak of the container with cached files: {peak / 1e9:.2f} GB; "
            f"{killed()} processes were killed")


def measure_kernels(server, memory, counts, name):
    notebook = notebooks([name])[0]
    say(f"kernels, each with {notebook.name} executed; GB")
    say("kernels  server  kernels  children  together  most while one works")
    sessions = []
    for count in counts:
        memory.take()
        while len(sessions) < count:
            if available() < KERNEL:
                return say(f"not measured: {count} kernels, as {available() / 1e9:.1f} GB are free "
                           f"and one needs {KERNEL / 1e9:.1f} GB while it starts")
            sessions.append(Session(server, notebook))
            sessions[-1].run()
        most = memory.take().get("together", 0)
        time.sleep(3)
        now = memory.look()
        columns = [now[part] for part in ("server", "kernel", "child", "together")] + [most]
        say(f"{count:7}" + "".join(f"{size / 1e9:{width}.2f}"
                                   for size, width in zip(columns, (8, 9, 10, 10, 22))))


def say(text):
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=["00", "06"])
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--kernels", type=lambda text: [int(count) for count in text.split(",")])
    arguments = parser.parse_args()
    server = None
    try:
        server = Server(arguments.port)
        memory = Memory(server.process.pid)
        if arguments.kernels:
            measure_kernels(server, memory, arguments.kernels, arguments.names[0])
        else:
            measure(server, memory, arguments.names)
    except Failure as failure:
        sys.exit(str(failure))
    finally:
        if server:
            server.stop()


if __name__ == "__main__":
    main()

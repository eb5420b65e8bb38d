"""Round trips through a real kernel, one JSON object a line.

    round_trips.py NOTEBOOKS_DIRECTORY

Each line has "name" and "seconds", a median where "runs" is more than one; memory has "megabytes".
"""

import json
import queue
import statistics
import sys
import time
from pathlib import Path

from jupyter_client.manager import KernelManager

from watch import Watch

DEPENDENCY = ':dep convlens = { path = ".." }\nuse convlens::prelude::*;'
FIRST = (
    "let first = Tensor::linspace(0., 1., 4096, (tch::Kind::Float, tch::Device::Cpu))"
    ".view([64, 64]);\nfirst"
)
MAPS = (
    "let maps = Tensor::linspace(0., 900., 64 * 224 * 224, (tch::Kind::Float, tch::Device::Cpu))"
    ".sin().view([64, 224, 224]);"
)
RUNS = 5


def main():
    began = time.monotonic()
    manager = KernelManager(kernel_name="convlens")
    with open("/dev/null", "w") as nowhere:
        manager.start_kernel(cwd=sys.argv[1], stdout=nowhere, stderr=nowhere)
    client = manager.client()
    client.start_channels()
    watch = Watch(lambda: manager.provisioner.process.pid, lambda text: print(text, flush=True))
    try:
        with watch:
            measure(client, began, manager.provisioner.process.pid)
    except RuntimeError as error:
        sys.exit(watch.reason() if watch.gave_up else str(error))
    finally:
        manager.shutdown_kernel()


def measure(client, began, kernel):
    client.wait_for_ready()
    ready = time.monotonic()
    report("kernel/start_to_ready", ready - began)
    run(client, DEPENDENCY)
    run(client, FIRST, picture=True)
    report("kernel/ready_to_first_picture", time.monotonic() - ready)
    report("kernel/start_to_first_picture", time.monotonic() - began)
    report("kernel/one_plus_one", *repeated(client, "1 + 1"))
    run(client, MAPS)
    report("kernel/sheet_64x224", *repeated(client, "maps", picture=True))
    memory(kernel)


def repeated(client, code, picture=False):
    times = []
    for _ in range(RUNS):
        start = time.monotonic()
        run(client, code, picture)
        times.append(time.monotonic() - start)
    return statistics.median(times), RUNS


def run(client, code, picture=False):
    """Execute one cell; a cell that fails, or shows no picture where one is due, is an error."""
    request = client.execute(code)
    shown = False
    while True:
        message = message_of(client.get_iopub_msg, client)
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "error" or (kind == "stream" and content["name"] == "stderr"):
            sys.exit(f"a cell of the bench failed:\n{code}\n{content.get('evalue') or content['text']}")
        if kind in ("execute_result", "display_data"):
            shown = shown or "image/png" in content["data"]
        if kind == "status" and content["execution_state"] == "idle":
            break
    if picture and not shown:
        sys.exit(f"a cell of the bench shows no picture:\n{code}")
    message_of(client.get_shell_msg, client)


def message_of(channel, client):
    """The next message, as long as there is a kernel that could send one."""
    while True:
        try:
            return channel(timeout=1)
        except queue.Empty:
            if not client.is_alive():
                raise RuntimeError("the kernel died") from None


def report(name, seconds, runs=1):
    print(json.dumps({"name": name, "seconds": round(seconds, 3), "runs": runs}), flush=True)


def memory(pid):
    """Resident memory of the kernel and of the child that runs the cells."""
    try:
        # Each thread has the children that it started.
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        children = [child for task in tasks for child in task.read_text().split()]
        sizes = {"kernel/memory_kernel": resident(pid), "kernel/memory_child": 0}
        for child in children:
            name = Path(f"/proc/{child}/comm").read_text().strip()
            if name == "convlens-kernel":
                sizes["kernel/memory_child"] += resident(child)
    except OSError:
        return  # no /proc on this system
    for name, size in sizes.items():
        print(json.dumps({"name": name, "megabytes": round(size / 1e6)}), flush=True)


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()

"""What kernels do, row by row: python compare.py KERNELSPEC [KERNELSPEC ...].

Each is the name of a kernelspec that Jupyter finds, of Rust or of Python. Prints a table for docs/kernel.md.
Needs what protocol.py needs.
"""

import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import zmq

theirs = dict(os.environ)
from protocol import Cell, Kernel, alive, block, children, until  # noqa: E402

# Kernelspecs of whoever runs this, not of the tests.
os.environ.clear()
os.environ.update(theirs)

PATIENCE = 60
ROUNDS = 20

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
RUST_SHOW = block("image/png", PICTURE)
PYTHON_SHOW = f"display({{'image/png': '{PICTURE}'}}, raw=True)"

CODE = {
    "rust": {
        "set": "let kept = 5i32;",
        "get": "kept",
        "show, then wait": RUST_SHOW
        + 'while !std::path::Path::new("{gate}").exists() {{ std::thread::sleep(std::time::Duration::from_millis(2)); }}',
        "three pictures": RUST_SHOW * 3,
        "error": "Vec::<i32>::new()[std::env::args().count()]",
        "value error": '"x".parse::<i32>()?',
        "wrong": "let wrong: String = 5;",
        "endless": 'println!("go"); loop { std::hint::spin_loop(); }',
        "answers": "{ use std::sync::atomic::{AtomicBool, Ordering::SeqCst}; static STOP: AtomicBool = AtomicBool::new(false);"
        'unsafe extern "C" { fn signal(which: i32, how: usize) -> usize; }'
        'extern "C" fn stop(_: i32) { STOP.store(true, SeqCst); } unsafe { signal(2, stop as *const () as usize); }'
        'println!("go"); while !STOP.load(SeqCst) {} }',
        "much": 'for _ in 0..20_000 { println!("{}", "x".repeat(99)); }',
    },
    "python": {
        "set": "kept = 5",
        "get": "kept",
        "show, then wait": "import os, time\n" + PYTHON_SHOW.replace("{", "{{").replace("}", "}}")
        + "\nwhile not os.path.exists('{gate}'):\n    time.sleep(0.002)",
        "three pictures": "\n".join([PYTHON_SHOW] * 3),
        "error": "[][1]",
        "value error": "int('x')",
        "wrong": "let wrong = 5",
        "endless": "print('go', flush=True)\nwhile True: pass",
        "answers": "print('go', flush=True)\nwhile True: pass",
        "much": "for _ in range(20_000): print('x' * 99)",
    },
}


class Slow(AssertionError):
    """The kernel did not do it in time."""


def finish(kernel, request, patience=PATIENCE):
    """Until the cell is answered and idle, or no longer than this."""
    cell = kernel.open.setdefault(request, Cell())
    started = time.monotonic()
    while cell.reply is None or not any(
        status["execution_state"] == "idle" for status in cell.of("status")
    ):
        step(kernel, started + patience)
    return cell


def step(kernel, until):
    if time.monotonic() > until:
        raise Slow
    poller = zmq.Poller()
    poller.register(kernel.client.iopub_channel.socket, zmq.POLLIN)
    poller.register(kernel.client.shell_channel.socket, zmq.POLLIN)
    if poller.poll(20):
        kernel.step()


def run(kernel, code):
    return finish(kernel, kernel.send(code, allow_stdin=False))


def printed(kernel, request, words):
    started = time.monotonic()
    while words not in kernel.open[request].text():
        step(kernel, started + PATIENCE)


def shown(cell):
    return cell.of("display_data") + cell.of("execute_result")


def below(pid):
    found = children(pid)
    return found + [deeper for child in found for deeper in below(child)]


def megabytes(pids):
    """Memory that is theirs alone, and their part of what they share."""
    kilobytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1000


def status(reply):
    return reply["status"] + (f" ({reply['ename']})" if reply.get("ename") else "")


def holds(kernel, code):
    cell = run(kernel, code)
    results = cell.of("execute_result")
    return bool(results) and results[0]["data"]["text/plain"] == "5"


class Rows(dict):
    """Says each row as it is known: a kernel may take minutes."""

    def __setitem__(self, row, what):
        print(f"{row}: {what}", file=sys.stderr, flush=True)
        super().__setitem__(row, what)


def measure(name):
    rows = Rows()
    started = time.monotonic()
    kernel = Kernel(name=name)
    rows["`kernel_info` is answered after the start"] = f"{time.monotonic() - started:.2f} s"
    first = finish(kernel, kernel.send("1 + 1", allow_stdin=False))
    assert shown(first), first.reply
    rows["the first `1 + 1` after the start"] = f"{time.monotonic() - started:.1f} s"
    code = CODE[kernel.manager.kernel_spec.language]
    run(kernel, code["set"])

    took = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        run(kernel, "1 + 1")
        took.append(time.monotonic() - began)
    rows[f"`1 + 1` later, median of {ROUNDS}"] = f"{statistics.median(took) * 1e3:.0f} ms"
    rows["memory after these cells"] = f"{megabytes([kernel.pid, *below(kernel.pid)]):.0f} MB"

    with tempfile.TemporaryDirectory() as place:
        gate = Path(place) / "gate"
        request = kernel.send(code["show, then wait"].format(gate=gate), allow_stdin=False)
        try:
            began = time.monotonic()
            while not shown(kernel.open[request]):
                step(kernel, began + 10)
            comes = "yes"
        except Slow:
            comes = "no"
        rows["a picture comes while its cell runs"] = comes
        try:
            began = time.monotonic()
            asked = kernel.client.kernel_info()
            while kernel.open.get(asked, Cell()).reply is None:
                step(kernel, began + 5)
            answered = f"{(time.monotonic() - began) * 1e3:.0f} ms"
        except Slow:
            answered = "when the cell is over"
        rows["`kernel_info` while a cell runs"] = answered
        gate.touch()
        finish(kernel, request)
    rows["pictures on the page of three that a cell shows"] = str(len(shown(run(kernel, code["three pictures"]))))

    for words, which in (
        ("reply to a panic, an exception", "error"),
        ("reply to a `?`, a `ValueError`", "value error"),
        ("reply to a cell that does not compile", "wrong"),
    ):
        rows[words] = status(run(kernel, code[which]).reply)
    requests = [kernel.send(cell, allow_stdin=False) for cell in (code["error"], "1 + 1")]
    rows["the cell queued behind one that fails"] = [finish(kernel, request).reply["status"] for request in requests][1]
    rows["variables after these errors"] = "kept" if holds(kernel, code["get"]) else "lost"

    began = time.monotonic()
    request = kernel.send(code["much"], allow_stdin=False)
    try:
        finish(kernel, request)
        ended = f"{time.monotonic() - began:.1f} s"
    except Slow:
        ended = f"not within {PATIENCE} s"
    messages = kernel.open[request].of("stream")
    size = sum(len(part["text"]) for part in messages) / 1e6
    rows["a cell that prints 2 MB in lines"] = f"{ended}, {size:.1f} MB on the page in {len(messages)} messages"

    for words, which in (
        ("stop of an endless loop", "endless"),
        ("stop of a loop that answers interrupts", "answers"),
    ):
        run(kernel, code["set"])
        request = kernel.send(code[which], allow_stdin=False)
        try:
            printed(kernel, request, "go")
            began = time.monotonic()
            kernel.manager.interrupt_kernel()
            reply = finish(kernel, request, 20).reply
            took = time.monotonic() - began
            kept = "variables kept" if holds(kernel, code["get"]) else "variables lost"
            rows[words] = f"{took:.1f} s, {status(reply)}, {kept}"
        except Slow:
            rows[words] = "not within 20 s"
            kernel.end()
            kernel = Kernel(name=name)
            run(kernel, "1 + 1")

    request = kernel.send(code["endless"], allow_stdin=False)
    try:
        printed(kernel, request, "go")
    except Slow:
        # Text that comes with the end of its cell alone.
        pass
    processes = below(kernel.pid)
    os.kill(kernel.pid, signal.SIGKILL)
    until("the kernel is gone", lambda: not alive(kernel.pid))
    time.sleep(2)
    left = [pid for pid in processes if alive(pid)]
    rows["processes that run on when the kernel is killed"] = str(len(left)) if processes else "it has none"
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    kernel.end()
    return rows


if __name__ == "__main__":
    tables = {name: measure(name) for name in sys.argv[1:]}
    print("| |", " | ".join(tables), "|")
    print("|-|" + "-|" * len(tables))
    for row in next(iter(tables.values())):
        print(f"| {row} |", " | ".join(table[row] for table in tables.values()), "|")

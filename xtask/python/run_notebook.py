"""Execute one notebook in the real kernel, and fail where a reader would see a failure.

    run_notebook.py NOTEBOOK --output FILE [--html FILE] [--store] [--stored] [--timeout SECONDS]

A panic or a `?` error leaves Jupyter's reply "ok", so the outputs themselves are looked at: an
error output, or anything on standard error, fails its cell. --store keeps the outputs in NOTEBOOK,
without anything that would differ on the next machine; --stored demands that it has them already.
"""

import argparse
import base64
import copy
import json
import os
import queue
import re
import struct
import sys
import time
import zlib
from pathlib import Path

import nbformat
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

KERNEL = {"display_name": "Rust (convlens)", "language": "rust", "name": "convlens"}
LANGUAGE = {
    "codemirror_mode": "rust",
    "file_extension": ".rs",
    "mimetype": "text/rust",
    "name": "Rust",
    "pygment_lexer": "rust",
    "version": "",
}
# libtorch's own warnings, and nothing else, may stand on standard error.
HARMLESS = re.compile(r"^\[W\d+ .*\]|^\s*$")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Failure(Exception):
    pass


def execute(notebook, path, log, timeout):
    """Execute the cells one by one, telling of each."""
    client = NotebookClient(
        notebook,
        kernel_name=KERNEL["name"],
        timeout=timeout,
        startup_timeout=300,
        allow_errors=True,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    say(f"starting the kernel for {path.name}")
    began = time.monotonic()
    try:
        with client.setup_kernel(stdout=log, stderr=log):
            say(f"kernel ready after {time.monotonic() - began:.1f} s")
            for number, index in enumerate(code, 1):
                cell = notebook.cells[index]
                start = time.monotonic()
                try:
                    client.execute_cell(cell, index, execution_count=number)
                except CellTimeoutError:
                    raise Failure(describe(number, cell, f"no end after {timeout} s")) from None
                late_words(client, cell, index)
                problem = failure_of(cell)
                if problem:
                    raise Failure(describe(number, cell, problem))
                seconds = time.monotonic() - start
                say(f"cell {number} of {len(code)}, {seconds:.1f} s: {first_line(cell)}")
    except (DeadKernelError, RuntimeError) as error:
        raise Failure(f"the kernel died: {error}") from error


def late_words(client, cell, index):
    """evcxr passes standard error on by a thread of its own: the last lines can come after the
    reply, and with them the only sign of a `?` error."""
    while True:
        try:
            message = run_sync(client.kc.get_iopub_msg)(timeout=0.2)
        except queue.Empty:
            return
        if message["msg_type"] == "stream":
            client.process_message(message, cell, index)
            *before, last, late = [None, None, *cell.outputs]
            if last and last.output_type == "stream" and last.name == late.name:
                last.text += cell.outputs.pop().text


# How values of ours look that should have been shown as a picture or a table.
UNSHOWN = ("MimeBundle {", "Sheet {", "Ok(MimeBundle {")


def failure_of(cell):
    for output in cell.outputs:
        if output.output_type == "error":
            return ESCAPES.sub("", "\n".join(output.traceback) or output.evalue)
        if output.output_type == "stream" and output.name == "stderr":
            lines = output.text.splitlines()
            if not all(HARMLESS.match(line) for line in lines):
                return output.text.strip()
        # A picture that evcxr wrote as text, since the cell's last value could not be moved.
        text = output.get("data", {}).get("text/plain", "")
        if text.startswith(UNSHOWN):
            return f"the value was not shown but written by its Debug form: {text[:60]} ..."
    return None


def describe(number, cell, problem):
    return f"cell {number} failed\n{indent(cell.source)}\nsays\n{indent(problem)}"


def normalise(notebook, path):
    """What a stored notebook holds must not depend on who executed it, when, or where."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    checkout = str(path.parent.parent)
    number = 0
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type != "code":
            continue
        number += 1
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
            if output.output_type == "stream":
                output.text = output.text.replace(checkout, "..")
            for kind, content in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = content.replace(checkout, "..")
        text = json.dumps(cell.outputs)
        for private in (str(Path.home()) + "/", str(path.parent.parent.parent) + "/"):
            if len(private) > 2 and private in text:
                raise Failure(f"cell {number} shows a path of this machine ({private}...)")


def pictures(notebook):
    """(cell number, width, height, bytes, whether blank) of every PNG."""
    number = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        number += 1
        for output in cell.outputs:
            encoded = output.get("data", {}).get("image/png")
            if encoded:
                png = base64.b64decode(encoded)
                if png[:8] != b"\x89PNG\r\n\x1a\n":
                    raise Failure(f"cell {number} shows a PNG that is none")
                width, height = struct.unpack(">II", png[16:24])
                yield number, width, height, len(png), is_blank(png)


def is_blank(png):
    """One colour all over: hardly any different bytes are left after the row filters."""
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    return len(set(zlib.decompress(data))) <= 6


def demand_stored(notebook, name):
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        if cell.execution_count is None:
            raise Failure(f"cell {number} of {name} is stored without having been executed: "
                          "run `cargo xtask notebooks --store`")
        if failure_of(cell):
            raise Failure(f"cell {number} of {name} is stored with a failure: "
                          "run `cargo xtask notebooks --store`")
    check_pictures(notebook)


def check_pictures(notebook):
    found = list(pictures(notebook))
    for number, width, height, _, blank in found:
        if blank:
            raise Failure(f"cell {number} shows a picture of {width} x {height} in one colour")
    return found


def first_line(cell):
    lines = cell.source.strip().splitlines() or [""]
    return lines[0] + (" ..." if len(lines) > 1 else "")


def indent(text):
    return "\n".join("  | " + line for line in text.splitlines())


def say(text):
    print(text, flush=True)


def render(notebook, name, html):
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": name}})
    html.write_text(body, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--html", type=Path)
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--timeout", type=int, default=300)
    arguments = parser.parse_args()
    path = arguments.notebook.resolve()
    log_file = arguments.output.with_suffix(".kernel.log")
    try:
        notebook = nbformat.read(path, as_version=4)
        if arguments.stored:
            demand_stored(notebook, path.name)
        executed = copy.deepcopy(notebook)
        with open(log_file, "w") as log:
            try:
                execute(executed, path, log, arguments.timeout)
            except Failure as failure:
                # What failed is worth looking at, too.
                nbformat.write(executed, arguments.output)
                raise Failure(f"{failure}\nits outputs so far: {arguments.output}") from None
        normalise(executed, path)
        found = check_pictures(executed)
        nbformat.write(executed, arguments.output)
        if arguments.store:
            part = path.with_suffix(".part")
            nbformat.write(executed, part)
            os.replace(part, path)
        if arguments.html:
            render(executed, path.stem, arguments.html)
        for number, width, height, size, _ in found:
            say(f"picture in cell {number}: {width} x {height}, {size / 1000:.0f} kB")
    except Failure as failure:
        print(f"{path.name}: {failure}", file=sys.stderr)
        if "kernel" in str(failure) and log_file.exists():
            print(indent("\n".join(log_file.read_text().splitlines()[-20:])), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

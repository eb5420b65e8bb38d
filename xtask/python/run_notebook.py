"""Execute one notebook in the real kernel, and fail where a reader would see a failure.

    run_notebook.py NOTEBOOK --output FILE [--html FILE] [--store] [--stored] [--executed FILE]

An error, or anything on standard error, fails its cell. --store keeps the outputs in NOTEBOOK,
without anything that would differ on the next machine; --stored demands that it has them already.
It tells how long each cell took, and which outputs are others than those of NOTEBOOK. A cell may
take as long as it works: see watch.py. With --executed, a browser's page has executed the notebook
already, and saved it there. Its pages must hold what its outputs hold: see rendered.py.
"""

import argparse
import base64
import copy
import io
import json
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from PIL import Image

import rendered
from cells import code_cells
from changes import PICTURES, changes
from watch import Watch

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


# What GitHub and a clone can bear.
MOST_BYTES = 2_000_000
# nbclient wants a number of seconds; what ends a kernel that hangs is Watch.
FOR_EVER = 10**9


class Client(NotebookClient):
    """Tells when anything arrives from the kernel."""

    arrived = None

    def process_message(self, message, *rest):
        if self.arrived:
            self.arrived()
        return super().process_message(message, *rest)


class Kernel:
    """The real kernel, one cell after the other."""

    def __init__(self, notebook, directory, log, name=KERNEL["name"]):
        self.client = Client(
            notebook,
            kernel_name=name,
            timeout=None,
            startup_timeout=FOR_EVER,
            iopub_timeout=FOR_EVER,
            allow_errors=True,
            coalesce_streams=True,
            record_timing=False,
            resources={"metadata": {"path": str(directory)}},
        )
        self.notebook = notebook
        self.log = log
        self.watch = Watch(self.pid, say)
        self.client.arrived = self.watch.moved

    def pid(self):
        manager = self.client.km
        process = manager and manager.provisioner and manager.provisioner.process
        return process.pid if process else None

    def __enter__(self):
        self.watch.__enter__()
        self.running = self.client.setup_kernel(stdout=self.log, stderr=self.log)
        try:
            self.running.__enter__()
        except BaseException as error:
            self.watch.__exit__()
            raise self.explained(error) from error
        return self

    def __exit__(self, *error):
        self.watch.__exit__()
        self.running.__exit__(*error)

    def run(self, index, number, what):
        """Execute the notebook's cell at `index`, and return what is wrong with its outputs."""
        cell = self.notebook.cells[index]
        self.watch.begin(what)
        try:
            self.client.execute_cell(cell, index, execution_count=number)
        except (DeadKernelError, RuntimeError) as error:
            raise self.explained(error, number, cell) from error
        return failure_of(cell)

    def explained(self, error, number=None, cell=None):
        if self.watch.gave_up:
            problem = self.watch.reason()
        elif isinstance(error, (DeadKernelError, RuntimeError)):
            problem = f"the kernel died: {error}"
        else:
            return error
        return Failure(describe(number, cell, problem) if cell else problem)


def execute(notebook, path, log):
    """Execute the cells one by one, telling of each; returns the seconds that each took."""
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    times = []
    say(f"starting the kernel for {path.name}")
    began = time.monotonic()
    with Kernel(notebook, path.parent, log) as kernel:
        say(f"kernel ready after {time.monotonic() - began:.1f} s")
        for number, index in enumerate(code, 1):
            cell = notebook.cells[index]
            start = time.monotonic()
            problem = kernel.run(index, number, f"cell {number} of {len(code)}")
            if problem:
                raise Failure(describe(number, cell, problem))
            times.append(time.monotonic() - start)
            say(f"cell {number} of {len(code)}, {times[-1]:.1f} s: {first_line(cell)}")
    say(f"{len(code)} cells in {sum(times):.0f} s, the longest {max(times, default=0):.0f} s")


def demand_executed(notebook):
    """Fail as `execute` does, where somebody else has executed the notebook."""
    for number, cell in code_cells(notebook):
        problem = failure_of(cell)
        if problem or cell.execution_count is None:
            raise Failure(describe(number, cell, problem or "nothing: it was not executed"))


# What stands in the text of a value of ours that should have been shown as a picture or a table:
# the words of convlens::show::debug_line.
UNSHOWN = "to see it, end the cell with its name"


def failure_of(cell):
    for output in cell.outputs:
        if output.output_type == "error":
            return ESCAPES.sub("", "\n".join(output.traceback) or output.evalue)
        if output.output_type == "stream" and output.name == "stderr":
            lines = output.text.splitlines()
            if not all(HARMLESS.match(line) for line in lines):
                return output.text.strip()
        # A picture that evcxr wrote as text, since the cell's last value could not be moved.
        data = output.get("data", {})
        text = data.get("text/plain", "")
        if UNSHOWN in text and len(data) == 1:
            return f"the value was not shown but written by its Debug form: {text[:60]} ..."
    return None


def describe(number, cell, problem):
    return f"cell {number} failed\n{indent(cell.source)}\nsays\n{indent(problem)}"


def normalise(notebook, path):
    """What a stored notebook holds must not depend on who executed it, when, or where."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    checkout = str(path.parent.parent)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    for number, cell in code_cells(notebook):
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
    """(cell number, width, height, bytes, whether blank) of every PNG and JPEG."""
    for number, cell in code_cells(notebook):
        for output in cell.outputs:
            for kind in PICTURES:
                encoded = output.get("data", {}).get(kind)
                if encoded:
                    yield number, *inspect(base64.b64decode(encoded), kind, number)


def inspect(data, kind, number):
    """Width, height, bytes and whether blank; a picture that is not of its kind is a failure."""
    name = kind.rpartition("/")[2].upper()
    try:
        picture = Image.open(io.BytesIO(data), formats=[name])
        colours = picture.convert("RGBA").getextrema()
    except (OSError, SyntaxError, ValueError) as error:
        raise Failure(f"cell {number} shows a {name} that is none: {error}") from error
    return *picture.size, len(data), all(high == low for low, high in colours)


def demand_stored(notebook, name):
    for number, cell in code_cells(notebook):
        if cell.execution_count is None:
            raise Failure(f"cell {number} of {name} is stored without having been executed: "
                          "run `cargo xtask notebooks --store`")
        if failure_of(cell):
            raise Failure(f"cell {number} of {name} is stored with a failure: "
                          "run `cargo xtask notebooks --store`")
    check_size(notebook, name)
    check_pictures(notebook)
    check_pages(notebook, render(notebook, name))


def check_size(notebook, name):
    """What is stored stays in the history for ever."""
    size = len(nbformat.writes(notebook).encode())
    if size <= MOST_BYTES:
        return
    heavy = sorted(((len(json.dumps(c.outputs)), n) for n, c in code_cells(notebook)), reverse=True)
    largest = ", ".join(f"{length / 1e6:.1f} MB in cell {n}" for length, n in heavy[:5])
    raise Failure(f"{name} has {size / 1e6:.1f} MB with its outputs, at most "
                  f"{MOST_BYTES / 1e6:.0f} MB may be stored: {largest}")


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


def render(notebook, name):
    """The notebook as a page of HTML."""
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": name}})
    return body


def check_pages(notebook, html):
    for where, page in (("HTML", html), ("page on GitHub", rendered.as_github(html))):
        for number, what in rendered.lost(notebook, page):
            raise Failure(f"cell {number}: the notebook's {where} has lost {what}")


def execute_to(notebook, path, log_file, output):
    with open(log_file, "w") as log:
        try:
            execute(notebook, path, log)
        except Failure as failure:
            # What failed is worth looking at, too.
            nbformat.write(notebook, output)
            raise Failure(f"{failure}\nits outputs so far: {output}") from None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--html", type=Path)
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--executed", type=Path)
    arguments = parser.parse_args()
    # How far long work was at some moment is nothing to store.
    os.environ["CONVLENS_PROGRESS"] = "off"
    path = arguments.notebook.resolve()
    log_file = arguments.output.with_suffix(".kernel.log")
    try:
        notebook = nbformat.read(path, as_version=4)
        if arguments.stored:
            demand_stored(notebook, path.name)
        if arguments.executed:
            executed = nbformat.read(arguments.executed, as_version=4)
            demand_executed(executed)
        else:
            executed = copy.deepcopy(notebook)
            execute_to(executed, path, log_file, arguments.output)
        normalise(executed, path)
        found = check_pictures(executed)
        nbformat.write(executed, arguments.output)
        changed = list(changes(notebook, executed))
        for number, change in changed:
            say(f"cell {number}: {change}")
        say(f"{len({number for number, _ in changed})} cells have other outputs than the stored ones")
        if arguments.store:
            check_size(executed, path.name)
            part = path.with_suffix(".part")
            nbformat.write(executed, part)
            os.replace(part, path)
        if arguments.html:
            html = render(executed, path.stem)
            arguments.html.write_text(html, encoding="utf-8")
            check_pages(executed, html)
        for number, width, height, size, _ in found:
            say(f"picture in cell {number}: {width} x {height}, {size / 1000:.0f} kB")
    except Failure as failure:
        print(f"{path.name}: {failure}", file=sys.stderr)
        if "kernel" in str(failure) and log_file.exists():
            print(indent("\n".join(log_file.read_text().splitlines()[-20:])), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

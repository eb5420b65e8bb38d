"""Execute what readers paste: the code blocks of README, of the docs' front pages, of the notebooks'
prose, in the real kernel.

    run_blocks.py CHECKOUT WORK [--lines]

All blocks run in one kernel, in their order: each as one cell, or with --lines a statement a cell.
WORK is made anew: a folder in which the blocks' relative paths lead to something. A block marked
`rust,no_run` compiles and does not run; `rust,ignore` is left out; each of these needs a reason, a
comment `<!-- not run here: … -->` above it in Markdown, `// not run here: …` in a doc comment.
"""

import argparse
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
from PIL import Image, ImageOps

from run_notebook import Failure, Kernel, describe, say

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```\s*$", re.M | re.S)
REASON = re.compile(r"not run here: \S+")


class Block:
    def __init__(self, where, code, marks):
        self.where = where
        self.code = code
        self.marks = marks


def blocks_of(text, where, plain):
    """The Rust blocks of a Markdown text; `plain` tells whether a fence without a name is Rust."""
    for fence in FENCE.finditer(text):
        name, *marks = fence[1].strip().split(",")
        if name in ("no_run", "ignore"):
            marks, name = [name, *marks], ""
        if name != "rust" and (name or not plain):
            continue
        place = f"{where}:{text[: fence.start()].count(chr(10)) + 1}"
        # What rustdoc hides, a reader does not see.
        code = "\n".join(line for line in fence[2].splitlines() if not re.match(r"\s*#( |$)", line))
        if set(marks) & {"no_run", "ignore"}:
            before = text[: fence.start()].rstrip().splitlines()[-1:] + fence[2].splitlines()[:2]
            if not any(REASON.search(line) for line in before):
                raise Failure(f"{place}: a block that does not run needs a reason, `not run here: …`")
        yield Block(place, code, marks)


def front_pages(checkout):
    """The comments at the head of the library's files, as Markdown."""
    for crate in (checkout, checkout / "scenes"):
        for file in sorted((crate / "src").rglob("*.rs")):
            lines = [line for line in file.read_text().splitlines() if line.startswith("//!")]
            if any("```" in line for line in lines):
                yield file, "\n".join(re.sub(r"^//! ?", "", line) for line in lines)


def all_blocks(checkout):
    yield from blocks_of((checkout / "README.md").read_text(), "README.md", plain=False)
    for file, text in front_pages(checkout):
        yield from blocks_of(text, str(file.relative_to(checkout)), plain=True)
    for file in sorted((checkout / "notebooks").glob("*.ipynb")):
        for number, cell in enumerate(nbformat.read(file, as_version=4).cells, 1):
            if cell.cell_type == "markdown":
                yield from blocks_of(cell.source, f"{file.name}, cell {number}", plain=False)


def statements(code):
    """The code cut where a reader would press Shift-Enter: after each statement that is whole."""
    found, lines = [], code.splitlines()
    current = []
    for at, line in enumerate(lines):
        if not current and not bare(line).strip():
            continue
        current.append(line)
        rest = next((bare(later).strip() for later in lines[at + 1 :] if bare(later).strip()), "")
        if balance("\n".join(current)) == 0 and not rest.startswith(".") and not line.rstrip().endswith("="):
            found.append("\n".join(current))
            current = []
    return found + (["\n".join(current)] if current else [])


def bare(line):
    """The line without strings and comments."""
    return re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]


def balance(text):
    text = "\n".join(map(bare, text.splitlines()))
    return sum(text.count(c) for c in "([{") - sum(text.count(c) for c in ")]}")


def never(code):
    """The code as something that compiles and is never called."""
    uses = [line for line in code.splitlines() if line.startswith(("use ", ":dep "))]
    rest = "\n".join(line for line in code.splitlines() if line not in uses)
    body = f"let _never = || -> Result<(), Box<dyn std::error::Error>> {{\n{rest};\nOk(()) }};"
    return "\n".join([*uses, f"{{ {body} }}"])


def placed(code, checkout):
    """The code with the crates where they are."""
    def place(line):
        line = line.replace("/path/to/convlens", str(checkout))
        return re.sub(r'path = "\.\.(/[^"]*)?"', lambda m: f'path = "{checkout}{m[1] or ""}"', line)

    return "\n".join(place(line) if line.startswith(":dep") else line for line in code.splitlines())


def cells_of(blocks, by_line, checkout):
    for block in blocks:
        if "ignore" in block.marks:
            continue
        code = placed(block.code, checkout)
        if "no_run" in block.marks:
            yield block, never(code)
        elif by_line:
            for statement in statements(code):
                yield block, statement
        else:
            yield block, code


def prepare(work, checkout):
    """A folder with what the blocks name: `../assets`, `assets`, `pets/train`."""
    shutil.rmtree(work, ignore_errors=True)
    here = work / "here"
    here.mkdir(parents=True)
    for place in (work / "assets", here / "assets"):
        place.symlink_to(checkout / "assets", target_is_directory=True)
    for name, file in (("cat", "cat.png"), ("dog", "dog.jpg")):
        photo = Image.open(checkout / "assets/photos" / file).convert("RGB")
        folder = here / "pets/train" / name
        folder.mkdir(parents=True)
        for number, picture in enumerate((photo, ImageOps.mirror(photo), photo.crop(
                (20, 20, photo.width - 20, photo.height - 20)))):
            picture.save(folder / f"{number}.jpg", quality=90)
    return here


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--lines", action="store_true")
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    try:
        blocks = list(all_blocks(checkout))
        here = prepare(arguments.work.resolve(), checkout)
        cells = list(cells_of(blocks, arguments.lines, checkout))
        if (checkout / "scenes").is_dir():
            # What the worlds' own pages and the notebooks take for granted.
            line = f':dep convlens-scenes = {{ path = "{checkout}/scenes" }}'
            cells.insert(0, (Block("the worlds' crate", line, []), line))
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(code) for _, code in cells])
        failures = []
        with open(arguments.work / "kernel.log", "w") as log, Kernel(notebook, here, log) as kernel:
            for index, (block, code) in enumerate(cells):
                start = time.monotonic()
                problem = kernel.run(index, index + 1, block.where)
                if problem:
                    failures.append(f"{block.where}: " + describe(index + 1, notebook.cells[index], problem))
                say(f"{block.where}, {time.monotonic() - start:.1f} s"
                    + (", FAILED" if problem else ""))
        nbformat.write(notebook, arguments.work / "blocks.ipynb")
        if failures:
            raise Failure("\n".join(failures))
        say(f"{len(blocks)} blocks, {len(cells)} cells")
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

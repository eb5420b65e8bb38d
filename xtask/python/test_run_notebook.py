"""What counts as a failed cell, and what may be stored: run by `cargo xtask test`."""

import base64
import io
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

import psutil
from PIL import Image
from nbformat.v4 import new_code_cell, new_notebook, new_output

import rendered
import run_blocks
import run_notebook
from changes import changes
from run_notebook import Failure
from watch import Stillness, Watch, family


def png(width, height, pixel, kind="PNG"):
    """A grey picture whose pixels are pixel(x, y)."""
    picture = Image.new("L", (width, height))
    picture.putdata([pixel(x, y) for y in range(height) for x in range(width)])
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def encoded(*arguments):
    return base64.b64encode(png(*arguments)).decode()


def shows(data):
    return new_code_cell("x", outputs=[new_output("execute_result", data=data, execution_count=9)])


class Outputs(unittest.TestCase):
    def test_anything_on_standard_error_fails_a_cell(self):
        output = new_output("stream", name="stderr", text="No such file\n")
        self.assertEqual(run_notebook.failure_of(new_code_cell("x", outputs=[output])), "No such file")

    def test_warnings_of_libtorch_do_not(self):
        output = new_output("stream", name="stderr", text="[W1122 06:17:49.1 a.cpp:5] Warning: beta\n")
        self.assertIsNone(run_notebook.failure_of(new_code_cell("x", outputs=[output])))

    def test_a_picture_written_as_text_fails_a_cell(self):
        text = "Picture of 8 x 8 pixels; to see it, end the cell with its name: let it = …; it"
        output = shows({"text/plain": text})
        self.assertIn("its Debug form: Picture of", run_notebook.failure_of(output))
        self.assertIsNone(run_notebook.failure_of(shows({"text/plain": text, "image/png": "x"})))
        rust = Path(__file__).parents[2] / "src/show/mod.rs"
        self.assertIn(run_notebook.UNSHOWN, rust.read_text(), "the library says other words")

    def test_a_picture_in_one_colour_is_found(self):
        for kind in ("PNG", "JPEG"):
            mime = "image/" + kind.lower()
            blank = encoded(40, 30, lambda x, y: 200, kind)
            with self.assertRaisesRegex(Failure, "cell 1 shows a picture of 40 x 30 in one colour"):
                run_notebook.check_pictures(new_notebook(cells=[shows({mime: blank})]))
            drawn = encoded(40, 30, lambda x, y: x * y % 256, kind)
            found = run_notebook.check_pictures(new_notebook(cells=[shows({mime: drawn})]))
            self.assertEqual(found[0][:3], (1, 40, 30))

    def test_a_picture_that_is_none_is_found(self):
        drawn = encoded(40, 30, lambda x, y: x * y % 256)
        for kind, data in (("image/jpeg", drawn), ("image/png", drawn[:40])):
            with self.assertRaisesRegex(Failure, "cell 1 shows a (PNG|JPEG) that is none"):
                run_notebook.check_pictures(new_notebook(cells=[shows({kind: data})]))

    def test_a_heavy_notebook_is_not_stored(self):
        cells = [new_code_cell("1"), shows({"text/plain": "x" * 2_500_000})]
        with self.assertRaisesRegex(Failure, "a.ipynb has 2.5 MB .* 2.5 MB in cell 2"):
            run_notebook.check_size(new_notebook(cells=cells), "a.ipynb")
        run_notebook.check_size(new_notebook(cells=cells[:1]), "a.ipynb")

    def test_stored_notebooks_do_not_depend_on_who_executed_them(self):
        path = Path("/somewhere/deep/convlens/notebooks/a.ipynb")
        cell = shows({"text/plain": "/somewhere/deep/convlens/assets/cat.png"})
        cell.metadata["execution"] = {"started": "today"}
        notebook = new_notebook(cells=[cell], metadata={"who": "me"})
        run_notebook.normalise(notebook, path)
        self.assertEqual(cell.outputs[0].data["text/plain"], "../assets/cat.png")
        self.assertEqual((cell.execution_count, cell.outputs[0].execution_count), (1, 1))
        self.assertEqual(cell.metadata, {})
        self.assertNotIn("who", notebook.metadata)

    def test_paths_of_this_machine_are_not_stored(self):
        path = Path("/somewhere/deep/convlens/notebooks/a.ipynb")
        notebook = new_notebook(cells=[shows({"text/plain": f"{Path.home()}/secret"})])
        with self.assertRaisesRegex(Failure, "cell 1 shows a path of this machine"):
            run_notebook.normalise(notebook, path)

    def test_a_notebook_without_outputs_is_not_stored_well(self):
        with self.assertRaisesRegex(Failure, "without having been executed"):
            run_notebook.demand_stored(new_notebook(cells=[new_code_cell("1 + 1")]), "a.ipynb")


class Pages(unittest.TestCase):
    """What must be found again in a notebook's page."""

    HTML = ('<p>layers</p><table><tr><td align="right" style="color:red">64</td></tr></table>'
            '<details><summary>all</summary><img src="data:image/png;base64,QUJD"></details>')

    def lost(self, cell, page):
        return [what for _, what in rendered.lost(new_notebook(cells=[cell]), page)]

    def test_a_page_that_holds_everything_loses_nothing(self):
        printed = new_output("stream", name="stdout", text="two  words\n")
        cell = shows({"text/html": self.HTML, "text/plain": "layers"})
        cell.outputs.append(printed)
        page = run_notebook.render(new_notebook(cells=[cell]), "a")
        self.assertEqual(self.lost(cell, page), [])
        stripped = rendered.as_github(page)
        self.assertEqual(self.lost(cell, stripped), [])
        for gone in ("<style", "<script", "color:red", "class="):
            self.assertNotIn(gone, stripped)

    def test_what_is_lost_is_named(self):
        cell = shows({"text/html": self.HTML, "text/plain": "layers"})
        self.assertEqual(self.lost(cell, "<p>all</p>"),
                         ["the row right:64", "a picture", "the line 'layers'", "the line '64'"])
        self.assertEqual(self.lost(cell, self.HTML.replace("right", "left")), ["the row right:64"])
        picture = shows({"image/png": "QUJD", "text/plain": "a picture"})
        self.assertEqual(self.lost(picture, "<p>a picture</p>"), ["a picture"])
        self.assertEqual(self.lost(picture, "<img src='data:image/png;base64,QUJD'>"), [])

    def test_github_keeps_content_and_drops_what_runs(self):
        html = "<section onclick='x()'><b class='y'>kept</b><script>gone</script></section>"
        self.assertEqual(rendered.as_github(html), "<b>kept</b>")

    def test_a_notebook_from_a_page_is_judged_as_any(self):
        cell = new_code_cell("x", execution_count=1)
        run_notebook.demand_executed(new_notebook(cells=[cell]))
        cell.outputs = [new_output("stream", name="stderr", text="No such file")]
        with self.assertRaisesRegex(Failure, "(?s)cell 1 failed.*No such file"):
            run_notebook.demand_executed(new_notebook(cells=[cell]))
        with self.assertRaisesRegex(Failure, "it was not executed"):
            run_notebook.demand_executed(new_notebook(cells=[new_code_cell("x")]))


class Changes(unittest.TestCase):
    def between(self, before, after):
        return [change for _, change in changes(*(new_notebook(cells=[c]) for c in (before, after)))]

    def test_equal_outputs_are_no_change(self):
        data = {"image/png": encoded(40, 30, lambda x, y: x * 6), "text/plain": "a picture"}
        self.assertEqual(self.between(shows(data), shows(dict(data))), [])

    def test_texts_are_compared_exactly(self):
        [change] = self.between(shows({"text/plain": "a\nb"}), shows({"text/plain": "a\nb "}))
        self.assertEqual(change, "text/plain changed: 'b' became 'b '")

    def test_pictures_are_compared_as_an_eye_would(self):
        before = shows({"image/png": encoded(400, 300, lambda x, y: x // 2)})
        noisy = shows({"image/png": encoded(400, 300, lambda x, y: x // 2 + (x * 7 + y) % 5)})
        self.assertEqual(self.between(before, noisy), [])
        spot = shows({"image/png": encoded(400, 300, lambda x, y: 255 if x + y < 40 else x // 2)})
        [change] = self.between(before, spot)
        self.assertRegex(change, r"image/png changed: 0\.\d\d apart, of 1")
        [change] = self.between(before, shows({"image/png": encoded(200, 300, lambda x, y: x)}))
        self.assertEqual(change, "image/png changed: 400 x 300 became 200 x 300")

    def test_a_picture_that_is_missing_is_a_change(self):
        data = {"image/jpeg": encoded(8, 8, lambda x, y: x, "JPEG")}
        self.assertEqual(self.between(shows(data), new_code_cell("x")), ["0 image/jpeg where 1 stood"])

    def test_an_edited_cell_is_told(self):
        self.assertEqual(self.between(shows({}), new_code_cell("y")), ["is new or was edited"])


class Blocks(unittest.TestCase):
    def of(self, text, plain=False):
        return list(run_blocks.blocks_of(text, "x.md", plain))

    def test_rust_blocks_are_found_without_what_rustdoc_hides(self):
        [block] = self.of("a\n\n```rust\n# hidden\nlet x = 1;\n#[derive(Debug)]\nstruct Y;\n```\n```sh\nls\n```\n")
        self.assertEqual((block.where, block.code), ("x.md:3", "let x = 1;\n#[derive(Debug)]\nstruct Y;"))
        self.assertEqual([b.code for b in self.of("```\n1\n```\n", plain=True)], ["1"])
        self.assertEqual(self.of("```\n1\n```\n"), [])

    def test_a_block_that_does_not_run_needs_a_reason(self):
        with self.assertRaisesRegex(Failure, "x.md:1: a block that does not run needs a reason"):
            self.of("```rust,no_run\n1\n```\n")
        [block] = self.of("<!-- not run here: no network -->\n```rust,no_run\n1\n```\n")
        self.assertEqual(block.marks, ["no_run"])

    def test_code_is_cut_after_each_statement(self):
        code = 'use a::b;\n\nlet x = f(1,\n    ")"); // (\nlet y = x\n    .z();\n// alone\nif x {\n    g();\n}\ny'
        self.assertEqual(run_blocks.statements(code), [
            "use a::b;", 'let x = f(1,\n    ")"); // (', "let y = x\n    .z();", "if x {\n    g();\n}", "y"])


class Watching(unittest.TestCase):
    def start(self, program):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.stdout.readline()
        return process.pid

    def test_a_process_that_sleeps_stands_still(self):
        pid = self.start("import time; print(flush=True); time.sleep(10**6)")
        while psutil.Process(pid).status() != psutil.STATUS_SLEEPING:
            time.sleep(0.01)
        still = Stillness(0)
        still.look(family(pid), 0)
        self.assertEqual(still.look(family(pid), 1000), 1000)
        still.moved(1000)
        self.assertEqual(still.look(family(pid), 1001), 1)

    def test_a_process_whose_child_works_does_not(self):
        child = "while True: pass"
        pid = self.start(f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
                         "print(flush=True); c.wait()")
        self.addCleanup(lambda: [process.kill() for process in family(pid)[1:]])
        still = Stillness(0)
        still.look(family(pid), 0)
        self.assertEqual(still.look(family(pid), 1000), 0)

    def test_a_cell_that_hangs_ends_and_one_that_works_for_longer_does_not(self):
        # Python's own kernel: what is watched is the same.
        works = "import time\nend = time.process_time() + 4\nwhile time.process_time() < end: pass"
        cells = [new_code_cell(works), new_code_cell("import time; time.sleep(10**6)")]
        notebook = new_notebook(cells=cells)
        with open(os.devnull, "w") as log:
            kernel = run_notebook.Kernel(notebook, Path.cwd(), log, name="python3")
            kernel.watch.patience = 2
            with self.assertRaisesRegex(Failure, "(?s)cell 2 failed.*nothing has moved in the kernel for 2 s"):
                with kernel:
                    self.assertIsNone(kernel.run(0, 1, "cell 1"))
                    kernel.run(1, 2, "cell 2")


class RealKernel(unittest.TestCase):
    """The real one."""

    CELLS = [
        ("let x = 5; x", None),
        ('panic!("out of cheese")', "out of cheese"),
        ('std::fs::read_to_string("/not/there")?;', "No such file or directory"),
        ('let y: i32 = "text";', "mismatched types"),
        ("x", None),
        ('println!("a line")', None),
        ("std::process::exit(3)", "exit code 3"),
    ]

    def test_every_way_to_fail_is_seen(self):
        notebook = new_notebook(cells=[new_code_cell(source) for source, _ in self.CELLS])
        with open(os.devnull, "w") as log, run_notebook.Kernel(notebook, Path.cwd(), log) as kernel:
            for index, (source, expected) in enumerate(self.CELLS):
                problem = kernel.run(index, index + 1, source)
                with self.subTest(source):
                    if expected is None:
                        self.assertIsNone(problem)
                    else:
                        self.assertIn(expected, problem or "")


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""What counts as a failed cell, and what may be stored: run by `cargo xtask test`."""

import base64
import struct
import sys
import unittest
import zlib
from pathlib import Path

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook, new_output

import run_notebook
from run_notebook import Failure


def png(width, height, pixel):
    """A grey PNG whose pixels are pixel(x, y)."""
    rows = b"".join(b"\0" + bytes(pixel(x, y) for x in range(width)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


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
        output = shows({"text/plain": "MimeBundle { picture: Some(Picture(8 x 8)) }"})
        self.assertIn("its Debug form: MimeBundle {", run_notebook.failure_of(output))
        self.assertIsNone(run_notebook.failure_of(shows({"text/plain": "MimeBundle", "image/png": "x"})))

    def test_a_picture_in_one_colour_is_found(self):
        blank = base64.b64encode(png(40, 30, lambda x, y: 200)).decode()
        with self.assertRaisesRegex(Failure, "cell 1 shows a picture of 40 x 30 in one colour"):
            run_notebook.check_pictures(new_notebook(cells=[shows({"image/png": blank})]))
        drawn = base64.b64encode(png(40, 30, lambda x, y: x * y % 256)).decode()
        found = run_notebook.check_pictures(new_notebook(cells=[shows({"image/png": drawn})]))
        self.assertEqual(found[0][:3], (1, 40, 30))

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


class Kernel(unittest.TestCase):
    """The real one: all of these leave Jupyter's reply "ok", or nearly."""

    CELLS = [
        ("let x = 5; x", None),
        ('panic!("out of cheese")', "out of cheese"),
        ('std::fs::read_to_string("/not/there")?;', "No such file or directory"),
        ('let y: i32 = "text";', "mismatched types"),
        ("x", None),
        ('println!("a line")', None),
        ("std::process::exit(3)", "terminated"),
    ]

    def test_every_way_to_fail_is_seen(self):
        notebook = new_notebook(cells=[new_code_cell(source) for source, _ in self.CELLS])
        client = NotebookClient(notebook, kernel_name="convlens", allow_errors=True, timeout=120,
                                startup_timeout=300, coalesce_streams=True)
        with open("/dev/null", "w") as log, client.setup_kernel(stdout=log, stderr=log):
            for index, (source, expected) in enumerate(self.CELLS):
                cell = notebook.cells[index]
                client.execute_cell(cell, index)
                run_notebook.late_words(client, cell, index)
                problem = run_notebook.failure_of(cell)
                with self.subTest(source):
                    if expected is None:
                        self.assertIsNone(problem)
                    else:
                        self.assertIn(expected, problem or "")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)

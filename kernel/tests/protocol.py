"""What front ends see of the kernel: python protocol.py BINARY [[but] CLASS ...] [-k WORDS].

Needs jupyter_client, nbclient and jupyter_kernel_test. Nothing here waits for a number of seconds: each
wait ends with what it waits for, or when the kernel is gone, or after GIVE_UP, when nothing else helps.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from pathlib import Path

GIVE_UP = 300
BINARY = Path(sys.argv.pop(1)).resolve() if __name__ == "__main__" else None
SPECS = tempfile.TemporaryDirectory()
os.environ["JUPYTER_PATH"] = str(Path(SPECS.name) / "share/jupyter")
# Kernelspecs and connection files of whoever runs this stay untouched.
os.environ["JUPYTER_DATA_DIR"] = str(Path(SPECS.name) / "data")
os.environ["JUPYTER_RUNTIME_DIR"] = str(Path(SPECS.name) / "runtime")

import jupyter_kernel_test  # noqa: E402
import nbclient  # noqa: E402
import nbformat  # noqa: E402
import zmq  # noqa: E402
from jupyter_client import BlockingKernelClient, KernelManager  # noqa: E402

NAME = "convlens-kernel"


def until(what, true):
    """Waits until something is true."""
    started = time.monotonic()
    while not true():
        if time.monotonic() - started > GIVE_UP:
            raise AssertionError(f"gave up waiting: {what}")
        time.sleep(0.01)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def children(pid):
    """Processes of this kernel, as /proc sees them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


class Cell:
    """What came of a cell: its messages in order, and its reply."""

    def __init__(self):
        self.messages, self.reply = [], None

    def kinds(self):
        return [message["msg_type"] for message in self.messages]

    def of(self, kind):
        return [message["content"] for message in self.messages if message["msg_type"] == kind]

    def text(self, name="stdout"):
        return "".join(part["text"] for part in self.of("stream") if part["name"] == name)

    def shown(self):
        """Texts and things in their order."""
        order = []
        for message in self.messages:
            content = message["content"]
            if message["msg_type"] == "stream":
                if order and isinstance(order[-1], str):
                    order[-1] += content["text"]
                else:
                    order.append(content["text"])
            elif message["msg_type"] in ("display_data", "execute_result"):
                order.append(content["data"])
        return order

    def traceback(self):
        lines = "\n".join(self.of("error")[0]["traceback"])
        return re.sub(r"\x1b\[[0-9;]*m", "", lines)


class Kernel:
    def __init__(self, name=NAME, **options):
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(**options)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=GIVE_UP)
        self.open, self.replies = {}, {}

    @property
    def pid(self):
        return self.manager.provisioner.process.pid

    def send(self, code, **options):
        request = self.client.execute(code, **options)
        self.open[request] = Cell()
        return request

    def step(self):
        """Reads one message, from whichever channel has one."""
        iopub, shell = self.client.iopub_channel, self.client.shell_channel
        poller = zmq.Poller()
        poller.register(iopub.socket, zmq.POLLIN)
        poller.register(shell.socket, zmq.POLLIN)
        started = time.monotonic()
        while not (ready := dict(poller.poll(1000))):
            if not self.manager.is_alive():
                raise AssertionError("the kernel is gone")
            if time.monotonic() - started > GIVE_UP:
                raise AssertionError("nothing comes from the kernel")
        channel = iopub if iopub.socket in ready else shell
        message = channel.get_msg(timeout=GIVE_UP)
        cell = self.open.setdefault(message["parent_header"].get("msg_id"), Cell())
        if channel is shell:
            cell.reply = message["content"]
        else:
            cell.messages.append(message)
        return message

    def finish(self, request):
        cell = self.open[request]

        def idle():
            last = cell.messages[-1:] and cell.messages[-1]
            return last and last["content"].get("execution_state") == "idle"

        while cell.reply is None or not idle():
            self.step()
        return cell

    def run(self, code, **options):
        options.setdefault("allow_stdin", False)
        return self.finish(self.send(code, **options))

    def wait_for(self, request, words):
        """Until the cell has printed this."""
        cell = self.open[request]
        while words not in cell.text() + cell.text("stderr"):
            if cell.reply:
                raise AssertionError(f"the cell has ended without {words!r}: {cell.reply}")
            self.step()

    def ask(self, kind, content=None, channel="shell"):
        message = self.client.session.msg(kind, content or {})
        getattr(self.client, f"{channel}_channel").send(message)
        get = getattr(self.client, f"{channel}_channel").get_msg
        while True:
            reply = get(timeout=GIVE_UP)
            if reply["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                return reply

    def interrupt(self):
        self.ask("interrupt_request", channel="control")

    def another_client(self):
        """A session of its own, as another page has."""
        other = BlockingKernelClient(connection_file=self.manager.connection_file)
        other.load_connection_file()
        other.start_channels()
        other.wait_for_ready(timeout=GIVE_UP)
        return other

    def child(self):
        """The process that runs the cells."""
        return int(self.run("std::process::id()").of("execute_result")[0]["data"]["text/plain"])

    def end(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)


def block(mime, content):
    """A statement that shows something as any Rust library does."""
    text = f"EVCXR_BEGIN_CONTENT {mime}\\n{content}\\nEVCXR_END_CONTENT"
    return f'println!("{text}");'


class Shared(unittest.TestCase):
    """Tests that leave a kernel as it was: they have one together."""

    kernel = None

    @classmethod
    def setUpClass(cls):
        if Shared.kernel is None:
            Shared.kernel = Kernel()
            unittest.addModuleCleanup(Shared.kernel.end)
            # Not before Rust is loaded: a cell that waits for it says so.
            Shared.kernel.run("0")

    def run_cell(self, code, **options):
        return self.kernel.run(code, **options)

    def fails(self, code, name):
        cell = self.run_cell(code, stop_on_error=False)
        self.assertEqual(cell.reply["status"], "error", cell.shown())
        self.assertEqual(cell.reply["ename"], name, cell.reply)
        self.assertEqual([error["ename"] for error in cell.of("error")], [name])
        return cell


class Output(Shared):
    def test_messages_come_in_order_and_name_their_cell(self):
        cell = self.run_cell('println!("a"); 1 + 1')
        self.assertEqual(
            cell.kinds(),
            ["status", "execute_input", "stream", "execute_result", "status"],
        )
        states = [status["execution_state"] for status in cell.of("status")]
        self.assertEqual(states, ["busy", "idle"])
        number = cell.of("execute_input")[0]["execution_count"]
        self.assertEqual(cell.of("execute_result")[0]["execution_count"], number)
        self.assertEqual(cell.reply["execution_count"], number)
        self.assertEqual(cell.reply["status"], "ok")
        for message in cell.messages:
            self.assertEqual(message["parent_header"]["msg_type"], "execute_request")

    def test_things_and_text_stand_in_the_order_in_which_they_were_printed(self):
        code = (
            'println!("one");'
            + block("image/png", "AAAA")
            + 'println!("two");'
            + "for n in 0..3 {"
            + 'println!("EVCXR_BEGIN_CONTENT text/html\\n<b>{n}</b>\\nEVCXR_END_CONTENT");'
            + "}"
            + 'println!("three");'
        )
        expected = [
            "one\n",
            {"image/png": "AAAA"},
            "two\n",
            {"text/html": "<b>0</b>"},
            {"text/html": "<b>1</b>"},
            {"text/html": "<b>2</b>"},
            "three\n",
        ]
        self.assertEqual(self.run_cell(code).shown(), expected)

    def test_forms_of_one_thing_stay_together_and_a_value_is_a_result(self):
        code = f'struct Two; impl Two {{ fn evcxr_display(&self) {{ {block("text/html", "<i>x</i>")} {block("text/plain", "x")} }} }} Two'
        cell = self.run_cell(code)
        data = [result["data"] for result in cell.of("execute_result")]
        self.assertEqual(data, [{"text/html": "<i>x</i>", "text/plain": "x"}])
        self.assertEqual(cell.of("display_data"), [])

    def test_output_comes_while_the_cell_runs(self):
        with tempfile.TemporaryDirectory() as place:
            gate = Path(place) / "gate"
            request = self.kernel.send(
                f'println!("before"); {block("image/png", "AAAA")}'
                f'while !std::path::Path::new("{gate}").exists() {{ std::thread::sleep(std::time::Duration::from_millis(5)); }}'
                'println!("after");',
                allow_stdin=False,
            )
            cell = self.kernel.open[request]
            while not cell.of("display_data"):
                self.kernel.step()
            self.assertEqual(cell.text(), "before\n")
            self.assertIsNone(cell.reply)
            gate.touch()
            self.assertEqual(self.kernel.finish(request).text(), "before\nafter\n")

    def test_text_without_a_lines_end_comes_as_it_is_flushed(self):
        cell = self.run_cell('use std::io::Write; print!("50 %\\r"); std::io::stdout().flush().unwrap();')
        self.assertEqual(cell.text(), "50 %\r")

    def test_a_shown_thing_is_replaced_in_place(self):
        shown = 'println!("EVCXR_BEGIN_DISPLAY {{\\"id\\":\\"t1\\",\\"update\\":{}}}\\nEVCXR_BEGIN_CONTENT text/plain\\n{}\\nEVCXR_END_CONTENT\\nEVCXR_END_DISPLAY", n > 0, n);'
        cell = self.run_cell(f"for n in 0..2000 {{ {shown} }}")
        self.assertEqual(cell.of("display_data")[0]["transient"], {"display_id": "t1"})
        updates = cell.of("update_display_data")
        self.assertEqual(updates[-1]["data"], {"text/plain": "1999"})
        self.assertTrue(all(update["transient"]["display_id"] == "t1" for update in updates))
        self.assertLess(len(updates), 200)

    def test_progress_is_one_thing_that_moves(self):
        code = (
            'for n in 1..=50 { println!("EVCXR_PROGRESS {{\\"id\\":\\"p\\",\\"text\\":\\"step {n}\\",\\"done\\":{n},\\"total\\":50}}"); '
            "std::thread::sleep(std::time::Duration::from_millis(10)); }"
            'println!("EVCXR_PROGRESS {{\\"id\\":\\"p\\",\\"text\\":\\"all\\",\\"end\\":true}}");'
        )
        cell = self.run_cell(code)
        self.assertEqual(len(cell.of("display_data")), 1)
        self.assertIn("<progress value", cell.of("display_data")[0]["data"]["text/html"])
        self.assertEqual(cell.of("update_display_data")[-1]["data"], {"text/plain": "all"})

    def test_the_framing_is_announced_in_the_environment(self):
        cell = self.run_cell('std::env::var("RUST_NOTEBOOK_DISPLAY").unwrap()')
        self.assertEqual(cell.of("execute_result")[0]["data"]["text/plain"], '"1"')

    def test_commands_of_evcxr_answer(self):
        self.run_cell("let seen = 1u8;")
        cell = self.run_cell(":vars")
        self.assertIn("seen: u8", cell.of("execute_result")[0]["data"]["text/plain"])
        self.run_cell("drop(seen);")

    def test_a_silent_cell_says_nothing(self):
        cell = self.run_cell('println!("x"); 1', silent=True)
        self.assertEqual(cell.kinds(), ["status", "status"])

    def test_what_is_shown_by_a_last_expression_without_a_value_is_no_result(self):
        self.assertEqual(self.run_cell("for _ in 0..1 {}").shown(), [])
        show = block("text/html", "<i>x</i>")
        self.run_cell(f"fn show_it() {{ {show} }}")
        for code in (f"for _ in 0..2 {{ {show} }}", f"show_it(); if true {{ {show} }}", "{ show_it(); show_it(); }"):
            cell = self.run_cell(code)
            self.assertEqual(cell.shown(), [{"text/html": "<i>x</i>"}] * 2, code)
            self.assertEqual(cell.of("execute_result"), [], code)

    def test_a_hundred_megabytes_are_cut_with_a_word(self):
        code = (
            'use std::io::Write; let line = vec![b\'x\'; 99_999]; let mut out = std::io::stdout().lock();'
            "for _ in 0..1000 { out.write_all(&line).unwrap(); out.write_all(b\"\\n\").unwrap(); }"
        )
        cell = self.run_cell("{" + code + "}")
        self.assertLess(len(cell.text()), 3e6)
        self.assertRegex(cell.text("stderr"), r"9\d\.\d MB of output are left out")
        self.assertEqual(self.run_cell("7").of("execute_result")[0]["data"]["text/plain"], "7")


class Errors(Shared):
    def test_a_compile_error_has_line_and_caret_of_the_cell(self):
        cell = self.fails('let fine = 1;\nlet wrong: String = 5;', "CompileError")
        self.assertIn("E0308", cell.reply["evalue"])
        told = cell.traceback()
        number = cell.of("execute_input")[0]["execution_count"]
        self.assertIn(f"--> cell [{number}], line 2, column 21", told)
        line = next(at for at, line in enumerate(told.split("\n")) if "let wrong: String = 5;" in line)
        text, marks = told.split("\n")[line : line + 2]
        self.assertEqual(marks.index("^"), text.index("5;"), told)
        self.assertIn("help", told)

    def test_a_syntax_error_is_one(self):
        told = self.fails("let x = (1 + ;", "CompileError").traceback()
        self.assertIn("line 1", told)

    def test_a_panic_is_an_error_with_its_place_and_names_what_is_gone(self):
        self.run_cell("let kept = 5;")
        cell = self.fails('let made = 1;\nlet all = vec![made];\nall[made + 6]', "Panic")
        self.assertIn("index out of bounds", cell.reply["evalue"])
        told = cell.traceback()
        self.assertIn("line 3, column 4", told)
        self.assertRegex(told, "these variables are gone: `all`, `made`")
        self.assertNotIn("stack backtrace", told)
        self.assertEqual(cell.text("stderr"), "")
        self.assertEqual(self.run_cell("kept").of("execute_result")[0]["data"]["text/plain"], "5")
        self.assertIn("0: ", self.run_cell(":backtrace").text())
        later = self.fails("made + 1", "CompileError").traceback()
        self.assertIn("`made` is gone since cell", later)

    def test_a_panic_in_an_earlier_cells_function_names_that_cell(self):
        first = self.run_cell("fn inner(n: usize) -> usize {\n    [1, 2][n]\n}")
        number = first.of("execute_input")[0]["execution_count"]
        cell = self.fails("inner(std::env::args().count() + 9)", "Panic")
        self.assertIn(f"cell [{number}], line 2, column 5", cell.traceback())

    def test_text_of_a_panic_stands_under_its_own_cell(self):
        for _ in range(5):
            self.fails('eprintln!("first"); panic!("second");', "Panic")
            self.assertEqual(self.run_cell("1").text("stderr"), "")

    def test_a_thread_that_panics_beside_is_no_error(self):
        cell = self.run_cell('let r = std::thread::spawn(|| { if true { panic!("aside") } }).join().is_err(); r')
        self.assertEqual(cell.reply["status"], "ok")
        self.assertIn("aside", cell.text("stderr"))

    def test_a_question_mark_is_an_error_with_its_words(self):
        cell = self.fails('let number: i32 = "x".parse::<i32>()?;', "Error")
        self.assertIn("invalid digit", cell.reply["evalue"])
        self.assertIn("`number`", cell.traceback())

    def test_an_unknown_name_says_what_to_do(self):
        told = self.fails("nowhere + 1", "CompileError").traceback()
        self.assertIn("if a cell above makes `nowhere`, run that one first", told)

    def test_cells_behind_an_error_are_aborted(self):
        requests = [self.kernel.send(code) for code in ["panic!()", "1", "2"]]
        cells = [self.kernel.finish(request) for request in requests]
        self.assertEqual([cell.reply["status"] for cell in cells], ["error", "aborted", "aborted"])
        self.assertEqual(cells[1].kinds(), ["status", "status"])
        self.assertEqual(self.run_cell("3").reply["status"], "ok")

    def test_cells_behind_an_error_run_where_that_is_wanted(self):
        requests = [self.kernel.send(code, stop_on_error=False) for code in ["panic!()", "1"]]
        cells = [self.kernel.finish(request) for request in requests]
        self.assertEqual([cell.reply["status"] for cell in cells], ["error", "ok"])

    def test_ten_thousand_queued_cells_are_aborted_at_once(self):
        with tempfile.TemporaryDirectory() as place:
            gate = Path(place) / "gate"
            first = f'while !std::path::Path::new("{gate}").exists() {{}} panic!();'
            requests = [self.kernel.send(first)] + [self.kernel.send("1") for _ in range(9_999)]
            # What is answered behind them says that all of them are there.
            behind = self.kernel.client.kernel_info()
            while self.kernel.open.get(behind, Cell()).reply is None:
                self.kernel.step()
            gate.touch()
            statuses = [self.kernel.finish(request).reply["status"] for request in requests]
        self.assertEqual(statuses, ["error"] + ["aborted"] * 9_999)
        self.assertEqual(self.run_cell("3").reply["status"], "ok")


class Stops(Shared):
    def stop(self, code, words):
        request = self.kernel.send(code, allow_stdin=False)
        self.kernel.wait_for(request, words)
        self.kernel.interrupt()
        return self.kernel.finish(request)

    def test_an_endless_loop_stops(self):
        self.run_cell("let mine = 1;")
        cell = self.stop('println!("go"); loop { std::hint::spin_loop(); }', "go")
        self.assertEqual(cell.reply["ename"], "Interrupted")
        self.assertIn("`mine`", cell.traceback())
        self.assertEqual(self.run_cell("2").reply["status"], "ok")

    def test_a_sleep_stops(self):
        cell = self.stop('println!("go"); std::thread::sleep(std::time::Duration::from_secs(100_000));', "go")
        self.assertEqual(cell.reply["ename"], "Interrupted")

    def answers(self, ending):
        """A program that waits for an interrupt, and then ends in this way."""
        return (
            "{ use std::sync::atomic::{AtomicBool, Ordering::SeqCst}; static STOP: AtomicBool = AtomicBool::new(false);"
            'unsafe extern "C" { fn signal(which: i32, how: usize) -> usize; }'
            'extern "C" fn stop(_: i32) { STOP.store(true, SeqCst); }'
            "unsafe { signal(2, stop as *const () as usize); }"
            f'println!("go"); while !STOP.load(SeqCst) {{}} {ending} }}'
        )

    def test_a_program_that_answers_keeps_its_variables(self):
        self.run_cell("let held = 8;")
        child = self.kernel.child()
        cell = self.stop(self.answers('println!("stopped");'), "go")
        self.assertEqual(cell.reply["status"], "ok")
        self.assertIn("stopped", cell.text())
        interrupted = 'Err(std::io::Error::other("training was interrupted after 3 steps"))?;'
        for ending, name, words in (
            (interrupted, "Interrupted", "after 3 steps"),
            ('"x".parse::<i32>()?;', "Error", "invalid digit"),
        ):
            cell = self.stop("let early = 1;" + self.answers(ending), "go")
            self.assertEqual(cell.reply["status"], "error")
            self.assertEqual(cell.reply["ename"], name, cell.reply)
            self.assertIn(words, cell.reply["evalue"])
            self.assertIn("variables are gone: `early`", cell.traceback())
            self.assertEqual(self.run_cell("held").of("execute_result")[0]["data"]["text/plain"], "8")
        self.assertEqual(self.kernel.child(), child)
        # One that does not listen is ended by the second interrupt.
        request = self.kernel.send('println!("on"); loop { std::hint::spin_loop(); }')
        self.kernel.wait_for(request, "on")
        self.kernel.interrupt()
        self.kernel.interrupt()
        cell = self.kernel.finish(request)
        self.assertEqual(cell.reply["ename"], "Killed")
        self.assertIn("twice", cell.reply["evalue"])

    def test_an_interrupt_that_nothing_answers_ends_the_child_in_the_end(self):
        ignore = '{ unsafe extern "C" { fn signal(which: i32, how: usize) -> usize; } unsafe { signal(2, 1); } }'
        cell = self.stop(ignore + 'println!("go"); loop { std::hint::spin_loop(); }', "go")
        self.assertEqual(cell.reply["ename"], "Killed")
        self.assertIn("ten seconds", cell.reply["evalue"])

    def test_a_compile_stops_and_keeps_the_variables(self):
        self.run_cell("let precious = 3;")
        # A constant that takes the compiler long to compute.
        code = (
            "#![allow(long_running_const_eval)]\n"
            "const fn slow() -> u64 { let mut n = 0; let mut i = 0u64; while i < 20_000_000_000 { n ^= i; i += 1; } n }\n"
            "const SLOW: u64 = slow();\nSLOW"
        )
        request = self.kernel.send(code)
        until("a compiler runs", lambda: any("rustc" in name for name in self.below(self.kernel.pid)))
        self.kernel.interrupt()
        cell = self.kernel.finish(request)
        self.assertEqual(cell.reply["ename"], "Interrupted", cell.reply)
        self.assertEqual(self.run_cell("precious").of("execute_result")[0]["data"]["text/plain"], "3")

    def below(self, pid):
        names = []
        for child in children(pid):
            try:
                names.append(Path(f"/proc/{child}/cmdline").read_text())
            except (FileNotFoundError, ProcessLookupError):
                pass
            names += self.below(child)
        return names

    def test_a_signal_is_an_interrupt(self):
        request = self.kernel.send('println!("go"); loop { std::hint::spin_loop(); }')
        self.kernel.wait_for(request, "go")
        os.kill(self.kernel.pid, signal.SIGINT)
        self.assertEqual(self.kernel.finish(request).reply["ename"], "Interrupted")

    def test_nothing_to_stop_is_no_harm(self):
        child = self.kernel.child()
        self.kernel.interrupt()
        self.assertEqual(self.kernel.child(), child)


class Deaths(Shared):
    def test_a_killed_child_is_an_error_that_names_what_is_gone(self):
        self.run_cell("let gone_with_it = 1;")
        child = self.kernel.child()
        request = self.kernel.send('println!("go"); loop { std::hint::spin_loop(); }')
        self.kernel.wait_for(request, "go")
        os.kill(child, signal.SIGKILL)
        cell = self.kernel.finish(request)
        self.assertEqual(cell.reply["ename"], "Died")
        self.assertIn("signal 9", cell.reply["evalue"])
        self.assertIn("`gone_with_it`", cell.traceback())
        self.assertEqual(self.run_cell("2").reply["status"], "ok")

    def test_a_child_that_was_killed_between_cells_is_told_of(self):
        child = self.kernel.child()
        os.kill(child, signal.SIGKILL)
        until("it is gone", lambda: not alive(child))
        self.fails("1", "Died")
        self.assertEqual(self.run_cell("2").reply["status"], "ok")

    def test_an_abort_and_an_exit_are_errors(self):
        self.assertIn("signal 6", self.fails("std::process::abort()", "Died").reply["evalue"])
        self.assertIn("exit code 3", self.fails("std::process::exit(3)", "Died").reply["evalue"])

    def test_a_child_that_closes_its_output_is_ended(self):
        close = '{ unsafe extern "C" { fn close(which: i32) -> i32; } unsafe { close(1); } }'
        cell = self.fails(close, "Killed")
        self.assertIn("closed its standard output", cell.reply["evalue"])

    def test_what_a_child_leaves_behind_holds_nothing_up(self):
        fork = '{ unsafe extern "C" { fn fork() -> i32; } unsafe { if fork() == 0 { loop { std::thread::sleep(std::time::Duration::from_secs(1)); } } } }'
        self.assertEqual(self.run_cell(fork).reply["status"], "ok")
        self.assertIn("exit code 0", self.fails("std::process::exit(0)", "Died").reply["evalue"])
        self.assertEqual(self.run_cell("2").reply["status"], "ok")

    def test_markers_that_a_program_prints_itself_confuse_nobody_for_long(self):
        half = self.run_cell('println!("EVCXR_BEGIN_CONTENT image/png\\nAAAA");')
        self.assertEqual(half.reply["status"], "ok")
        self.assertIn("not finished", half.text())
        self.run_cell('println!("EVCXR_EXECUTION_COMPLETE");')
        self.run_cell("1")
        self.assertEqual(self.run_cell("2").of("execute_result")[0]["data"]["text/plain"], "2")

    def test_output_that_is_no_utf8_is_shown_as_far_as_it_goes(self):
        cell = self.run_cell('use std::io::Write; std::io::stdout().write_all(b"a\\xff\\xfeb\\n").unwrap();')
        self.assertEqual(cell.reply["status"], "ok")
        self.assertTrue(cell.text().startswith("a") and cell.text().endswith("b\n"), cell.text())


class Lasts(Shared):
    def held(self):
        """What the kernel and its child hold of the system: files, threads and processes."""
        kernel = self.kernel.pid
        files = sum(1 for _ in Path(f"/proc/{kernel}/fd").iterdir())
        threads = sum(1 for _ in Path(f"/proc/{kernel}/task").iterdir())
        return {"files": files, "threads": threads, "processes": len(children(kernel))}

    def test_cells_of_every_kind_leave_nothing_behind(self):
        def all_kinds():
            self.run_cell('println!("x"); ' + block("image/png", "AAAA"))
            for code in ("nowhere", "panic!()", '"x".parse::<i32>()?', "std::process::exit(3)"):
                self.assertEqual(self.run_cell(code, stop_on_error=False).reply["status"], "error")
            request = self.kernel.send('println!("go"); loop { std::hint::spin_loop(); }')
            self.kernel.wait_for(request, "go")
            self.kernel.interrupt()
            self.kernel.finish(request)
            self.kernel.ask("complete_request", {"code": "1.", "cursor_pos": 2})

        all_kinds()
        # What has just ended is gone when another cell is done.
        self.run_cell("1")
        before = self.held()
        for _ in range(2):
            all_kinds()
        until(f"no more is held than {before}", lambda: all(self.held()[what] <= before[what] for what in before))


class Asking(Shared):
    def test_kernel_info_is_answered_while_a_cell_runs(self):
        request = self.kernel.send('println!("go"); loop { std::hint::spin_loop(); }')
        self.kernel.wait_for(request, "go")
        reply = self.kernel.ask("kernel_info_request")
        self.assertEqual(reply["content"]["language_info"]["name"], "rust")
        self.kernel.interrupt()
        self.kernel.finish(request)

    def test_completion_knows_methods_and_paths(self):
        self.run_cell('let words = String::from("a");')
        code = "é; words.to_upp"
        reply = self.kernel.ask("complete_request", {"code": code, "cursor_pos": len(code)})["content"]
        self.assertTrue(any(match.startswith("to_uppercase") for match in reply["matches"]), reply)
        self.assertEqual((reply["cursor_start"], reply["cursor_end"]), (9, len(code)))
        code = "std::collections::HashM"
        reply = self.kernel.ask("complete_request", {"code": code, "cursor_pos": len(code)})["content"]
        self.assertIn("HashMap", reply["matches"])

    def test_inspection_finds_documentation(self):
        reply = self.kernel.ask("inspect_request", {"code": "String::from_utf8", "cursor_pos": 10, "detail_level": 0})
        self.assertTrue(reply["content"]["found"], reply["content"])
        self.assertIn("vector of bytes", reply["content"]["data"]["text/plain"])
        reply = self.kernel.ask("inspect_request", {"code": "nowhere", "cursor_pos": 3, "detail_level": 0})
        self.assertFalse(reply["content"]["found"])

    def test_history_is_kept(self):
        self.run_cell("let in_history = 1;")
        reply = self.kernel.ask("history_request", {"hist_access_type": "tail", "n": 1, "raw": True, "output": False})
        self.assertEqual(reply["content"]["history"][-1][2], "let in_history = 1;")

    def test_a_comm_is_closed_and_none_is_open(self):
        self.assertEqual(self.kernel.ask("comm_info_request")["content"]["comms"], {})

    def test_what_the_kernel_does_not_know_it_says(self):
        reply = self.kernel.ask("dance_request")
        self.assertEqual(reply["msg_type"], "dance_reply")
        self.assertEqual(reply["content"]["status"], "error")

    def test_a_cell_of_ten_megabytes_is_answered(self):
        cell = self.run_cell("// " + "x" * 10_000_000 + "\n1")
        self.assertEqual(cell.reply["status"], "error")
        self.assertIn("MB", cell.reply["evalue"])
        self.assertEqual(self.run_cell("(" * 100_000).reply["status"], "error")
        deep = "(" * 100_000 + "1" + ")" * 100_000
        self.assertEqual(self.kernel.ask("is_complete_request", {"code": deep})["content"]["status"], "invalid")
        self.assertIn("brackets", self.run_cell(deep).reply["evalue"])
        # Whatever the compiler says of this.
        deep = "(" * 999 + "1" + ")" * 999
        self.assertEqual(self.kernel.ask("is_complete_request", {"code": deep})["content"]["status"], "complete")
        self.assertIn(self.run_cell(deep).reply["status"], ("ok", "error"))
        self.assertEqual(self.run_cell("1").reply["status"], "ok")

    def test_messages_that_are_no_json_or_signed_wrongly_change_nothing(self):
        session = self.kernel.client.session
        socket = self.kernel.client.shell_channel.socket
        header = json.dumps(session.msg_header("execute_request"), default=str).encode()

        def send(parts, key=session.key):
            digest = hmac.new(key, digestmod=hashlib.sha256)
            for part in parts:
                digest.update(part)
            socket.send_multipart([b"<IDS|MSG>", digest.hexdigest().encode(), *parts])

        send([b"nonsense", b"{}", b"{}", b"{}"])
        send([header, b"{}", b"{}", b"{}"], key=b"another")
        socket.send_multipart([b"no delimiter"])
        socket.send_multipart([b"<IDS|MSG>"])
        socket.send_multipart([b"<IDS|MSG>", b"zz", b"{}"])
        send([header, b"{}", b"{}", b"no json"])
        reply = self.kernel.client.shell_channel.get_msg(timeout=GIVE_UP)
        self.assertEqual(reply["content"]["status"], "error")
        self.assertIn("JSON", reply["content"]["evalue"])
        self.assertEqual(self.run_cell("1").reply["status"], "ok")

    def test_two_front_ends_share_a_kernel(self):
        other = self.kernel.another_client()
        self.run_cell("let both = 6;")
        request = other.execute("both")
        while True:
            message = other.get_iopub_msg(timeout=GIVE_UP)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == "execute_result":
                break
        self.assertEqual(message["content"]["data"]["text/plain"], "6")
        other.stop_channels()

    def test_input_is_asked_for(self):
        kernel = self.kernel
        # What the crate evcxr_input does.
        ask = (
            'fn ask(how: &str) -> String { println!("EVCXR_INPUT_REQUEST{how}:Who? "); let mut line = String::new(); '
            "std::io::stdin().read_line(&mut line).unwrap(); line.trim().to_owned() }"
        )
        kernel.run(ask)
        for how, password in (("", False), ("_PASSWORD", True)):
            request = kernel.send(f'ask("{how}")', allow_stdin=True)
            asked = kernel.client.get_stdin_msg(timeout=GIVE_UP)
            self.assertEqual(asked["content"], {"prompt": "Who? ", "password": password})
            self.assertEqual(asked["parent_header"]["msg_id"], request)
            kernel.client.input("me")
            cell = kernel.finish(request)
            self.assertEqual(cell.of("execute_result")[0]["data"]["text/plain"], '"me"')
        cell = kernel.run('ask("")', allow_stdin=False)
        self.assertEqual(cell.of("execute_result")[0]["data"]["text/plain"], '""')
        request = kernel.send('ask("")', allow_stdin=True)
        kernel.client.get_stdin_msg(timeout=GIVE_UP)
        kernel.interrupt()
        self.assertEqual(kernel.finish(request).reply["ename"], "Interrupted")


class Starts(unittest.TestCase):
    def test_kernel_info_comes_before_rust_is_loaded_and_shutdown_leaves_nothing(self):
        started = time.monotonic()
        kernel = Kernel()
        print(f"kernel_info after {time.monotonic() - started:.3f} s", file=sys.stderr)
        # A cell that comes now waits, and then runs.
        cell = kernel.run("40 + 2")
        print(f"first result after {time.monotonic() - started:.1f} s", file=sys.stderr)
        self.assertEqual(cell.of("execute_result")[0]["data"], {"text/plain": "42"})
        child = kernel.child()
        place = Path(kernel.run(":last_compile_dir").of("execute_result")[0]["data"]["text/plain"].strip())
        self.assertTrue(place.exists())
        pid = kernel.pid
        kernel.send("loop { std::hint::spin_loop(); }")
        until("it runs", lambda: Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "R")
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel()
        until("all is gone", lambda: not alive(pid) and not alive(child))
        self.assertFalse(place.exists())

    def fails(self, *arguments, **options):
        ended = subprocess.run(
            [BINARY, *arguments], capture_output=True, text=True, timeout=GIVE_UP, **options
        )
        self.assertEqual(ended.returncode, 1, ended)
        self.assertNotIn("panicked", ended.stderr)
        return ended.stderr

    def test_a_connection_file_that_cannot_be_used_is_named(self):
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "kernel.json"
            self.assertIn("cannot be read", self.fails(file))
            file.write_text("{")
            self.assertIn("not a connection file", self.fails("--control_file", file))
            info = {"transport": "tcp", "ip": "127.0.0.1", "key": "k", "signature_scheme": "hmac-sha256"}
            ports = ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"]
            file.write_text(json.dumps({**info, **dict.fromkeys(ports, 1)}))
            info["ip"] = "256.1.1.1"
            file.write_text(json.dumps({**info, **dict.fromkeys(ports, 0)}))
            self.assertIn("cannot listen", self.fails(file))

    def test_a_taken_port_is_named(self):
        import socket

        with tempfile.TemporaryDirectory() as place, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            info = {"transport": "tcp", "ip": "127.0.0.1", "key": "k", "signature_scheme": "hmac-sha256"}
            ports = ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"]
            file = Path(place) / "kernel.json"
            file.write_text(json.dumps({**info, **dict.fromkeys(ports, taken.getsockname()[1])}))
            self.assertIn(str(taken.getsockname()[1]), self.fails(file))

    def test_without_cargo_the_kernel_says_so_and_lives(self):
        with tempfile.TemporaryDirectory() as empty:
            environment = {**os.environ, "PATH": empty, "HOME": empty, "CARGO_HOME": empty}
            kernel = Kernel(env=environment)
            cell = kernel.run("1")
            self.assertEqual(cell.reply["status"], "error")
            self.assertIn("cannot be loaded", cell.reply["evalue"])
            kernel.end()

    @unittest.skipUnless(sys.platform == "linux", "LD_PRELOAD")
    def test_a_clock_that_goes_back_does_not_matter(self):
        source = """
            unsafe extern "C" { fn syscall(number: i64, ...) -> i64; fn access(file: *const i8, mode: i32) -> i32; }
            #[unsafe(no_mangle)] extern "C" fn clock_gettime(which: i32, time: *mut [i64; 2]) -> i32 {
                let number = if cfg!(target_arch = "x86_64") { 228 } else { 113 };
                let failed = unsafe { syscall(number, which, time) } as i32;
                if which == 0 && unsafe { access(concat!(env!("FLAG"), "\\0").as_ptr().cast(), 0) } == 0 {
                    unsafe { (*time)[0] -= 3600 };
                }
                failed
            }"""
        with tempfile.TemporaryDirectory() as place:
            flag, library = Path(place) / "flag", Path(place) / "clock.so"
            compiler = ["rustc", "--edition", "2024", "--crate-type", "cdylib", "-o", library, "-"]
            environment = {**os.environ, "FLAG": str(flag)}
            subprocess.run(compiler, input=source, text=True, check=True, env=environment)
            kernel = Kernel(env={**os.environ, "LD_PRELOAD": str(library)})
            clock = "std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs()"

            def seconds():
                return int(kernel.run(clock).of("execute_result")[0]["data"]["text/plain"])

            before = seconds()
            flag.touch()
            self.assertLess(seconds(), before - 3000)
            steps = 'for n in 0..3 { println!("EVCXR_PROGRESS {{\\"id\\":\\"p\\",\\"text\\":\\"{n}\\"}}"); }'
            cell = kernel.run('println!("a");' + steps)
            self.assertEqual((cell.reply["status"], cell.text()), ("ok", "a\n"))
            self.assertEqual(cell.of("update_display_data")[-1]["data"], {"text/plain": "2"})
            request = kernel.send('println!("go"); loop { std::hint::spin_loop(); }')
            kernel.wait_for(request, "go")
            kernel.interrupt()
            self.assertEqual(kernel.finish(request).reply["ename"], "Interrupted")
            kernel.end()

    def test_a_spare_becomes_the_kernel_and_another_one_waits_for_the_next(self):
        import socket

        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        place, path = place.name, Path(place.name) / "spare.sock"
        jupyter = subprocess.Popen(["sleep", "100000"])
        environment = {
            **os.environ,
            "CONVLENS_SPARE": "1",
            "CONVLENS_SPARE_SOCKET": str(path),
            "JPY_PARENT_PID": str(jupyter.pid),
        }
        spare = subprocess.Popen([BINARY, "spare"], env=environment)
        until("a spare waits", path.exists)
        child = children(spare.pid)[0]
        # There is one at a time, and whoever comes and says nothing takes it from nobody.
        self.assertEqual(subprocess.run([BINARY, "spare"], env=environment, timeout=GIVE_UP).returncode, 0)
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(path))
            self.assertEqual(int.from_bytes(idle.recv(4), sys.byteorder), spare.pid)
            idle.sendall(b"nonsense")

        started = time.monotonic()
        kernel = Kernel(env=environment, cwd=place)
        cell = kernel.run("1 + 1")
        print(f"first result of a spare after {time.monotonic() - started:.2f} s", file=sys.stderr)
        self.assertEqual(cell.shown(), [{"text/plain": "2"}])
        self.assertEqual(cell.reply["execution_count"], 1)
        self.assertEqual(kernel.child(), child)
        # Cells run where the kernel was started, and signals reach them.
        here = kernel.run("std::env::current_dir()?").of("execute_result")[0]["data"]["text/plain"]
        self.assertEqual(Path(json.loads(here)), Path(place).resolve())
        request = kernel.send('println!("go"); loop { std::hint::spin_loop(); }')
        kernel.wait_for(request, "go")
        os.kill(kernel.pid, signal.SIGINT)
        self.assertEqual(kernel.finish(request).reply["ename"], "Interrupted")
        child = kernel.child()

        # Another one is brought up, and ends with the Jupyter that it is for.
        def spares():
            found = [Path(f"/proc/{entry}") for entry in os.listdir("/proc") if entry.isdigit()]
            found = [entry for entry in found if alive(entry.name) and words(entry / "cmdline")[1:] == ["spare", ""]]
            return [entry.name for entry in found if f"CONVLENS_SPARE_SOCKET={path}" in words(entry / "environ")]

        def words(file):
            try:
                return file.read_text(errors="replace").split("\0")
            except (FileNotFoundError, ProcessLookupError):
                return []

        until("there is another one", lambda: spares() not in ([], [str(spare.pid)]))
        jupyter.kill()
        jupyter.wait()
        until("it is gone", lambda: spares() == [str(spare.pid)])
        # A kernel that was killed leaves its ports to the next one.
        kernel.manager.restart_kernel(now=True)
        kernel.client.wait_for_ready(timeout=GIVE_UP)
        until("the first is gone", lambda: not alive(child) and spare.poll() is not None)
        kernel.end()

    def test_without_a_spare_a_kernel_starts_as_ever(self):
        import socket

        with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX) as mute:
            # One that does not answer is none.
            mute.bind(f"{place}/spare.sock")
            mute.listen()
            environment = {**os.environ, "CONVLENS_SPARE": "1", "CONVLENS_SPARE_SOCKET": f"{place}/spare.sock"}
            kernel = Kernel(env=environment)
            until("it loads Rust", lambda: children(kernel.pid))
            kernel.end()
            # A program around the kernel starts it in its own way.
            program = Path(place) / "program"
            program.write_text('#!/bin/sh\necho "$CONVLENS_SPARE" "$@"\n')
            program.chmod(0o700)
            mute.close()
            environment["CONVLENS_SPARE_PROGRAM"] = str(program)
            told = subprocess.run([BINARY, "--control_file", "x.json"], env=environment, capture_output=True, text=True)
            self.assertEqual(told.stdout, "none kernel x.json\n")

    def test_nbclient_gets_all_output_and_stops_at_an_error_in_a_home_that_cannot_be_written(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        os.chmod(home.name, 0o500)
        cargo = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
        rustup = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
        environment = {**os.environ, "HOME": home.name, "CARGO_HOME": cargo, "RUSTUP_HOME": rustup}
        notebook = nbformat.v4.new_notebook()
        sources = ['println!("a"); 1', "for n in 0..300 { println!(\"{n}\"); }", 'panic!("here")', "2"]
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
        client = nbclient.NotebookClient(notebook, kernel_name=NAME, timeout=GIVE_UP)
        with self.assertRaises(nbclient.exceptions.CellExecutionError) as raised:
            client.execute(env=environment)
        self.assertIn("here", str(raised.exception))
        outputs = [cell.outputs for cell in notebook.cells]
        self.assertEqual([output.output_type for output in outputs[0]], ["stream", "execute_result"])
        self.assertEqual("".join(output.text for output in outputs[1]).split(), [str(n) for n in range(300)])
        self.assertEqual(outputs[2][-1].ename, "Panic")
        self.assertEqual(outputs[3], [])


class Vanishes(Shared):
    """Comes last, since it takes what the kernel knows."""

    def test_a_killed_kernel_leaves_nothing_that_runs_and_a_restart_begins_anew(self):
        kernel = self.kernel
        kernel.run("fn old() {}")
        child = kernel.child()
        request = kernel.send('println!("go"); loop { std::hint::spin_loop(); }')
        kernel.wait_for(request, "go")
        os.kill(kernel.pid, signal.SIGKILL)
        until("the child is gone", lambda: not alive(child))
        kernel.manager.restart_kernel(now=True)
        kernel.client.wait_for_ready(timeout=GIVE_UP)
        cell = kernel.run("old()")
        self.assertIn("run that one first", cell.traceback())
        self.assertEqual(cell.of("execute_input")[0]["execution_count"], 1)


class Conformance(jupyter_kernel_test.KernelTests):
    """PyPI's own tests, with what this kernel offers."""

    kernel_name = NAME
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oh no");'
    completion_samples = [{"text": "String::from_utf8_l", "matches": {"from_utf8_lossy(v)"}}]
    complete_code_samples = ["1 + 1", "fn f() {}", "let x = 3;"]
    incomplete_code_samples = ["fn f() {", "let x ="]
    invalid_code_samples = ["let let x", "}"]
    code_inspect_sample = "String::from_utf8"
    code_generate_error = 'panic!("no")'
    code_execute_result = [{"code": "1+2", "result": "3"}]
    code_display_data = [{"code": block("image/png", base64.b64encode(b"x").decode()), "mime": "image/png"}]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")
    code_clear_output = ""

    @classmethod
    def setUpClass(cls):
        Shared.setUpClass()
        cls.km = Shared.kernel.manager
        cls.kc = Shared.kernel.another_client()

    @classmethod
    def tearDownClass(cls):
        cls.kc.stop_channels()


class Timed(unittest.TextTestResult):
    """Says how long each test took, by which whoever adds one sees what it costs."""

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        self.stream.write(f"{time.monotonic() - self.began:.1f} s ")
        super().addSuccess(test)


if __name__ == "__main__":
    subprocess.run([BINARY, "install", "--prefix", SPECS.name], check=True, stdout=subprocess.DEVNULL)
    if sys.argv[1:2] == ["but"]:
        # All classes of tests without those that are named.
        classes = [name for name, found in globals().items() if isinstance(found, type) and issubclass(found, unittest.TestCase)]
        sys.argv[1:] = [name for name in classes if name not in sys.argv[2:] and name != "Shared"]
    unittest.main(testRunner=unittest.TextTestRunner(verbosity=2, resultclass=Timed))

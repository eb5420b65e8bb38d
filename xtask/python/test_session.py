"""What session.py says when something is wrong."""

import json
import socket
import unittest
from pathlib import Path
from unittest import mock

import session


class TestSession(unittest.TestCase):
    def test_a_port_that_is_taken_is_named(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with self.assertRaisesRegex(session.Failure, f"port {port} is taken.*\n.*--port"):
                session.demand_free(port)
        session.demand_free(port)

    def test_a_kernel_that_was_killed_fails_its_notebook_and_says_what_to_do(self):
        opened = object.__new__(session.Session)
        opened.notebook = Path("00.ipynb")
        restarting = {"header": {"msg_type": "status"}, "parent_header": {},
                      "content": {"execution_state": "restarting"}}
        opened.socket = mock.Mock()
        opened.server = object.__new__(session.Server)
        opened.server.wait = lambda _: json.dumps(restarting)
        opened.server.said = lambda: "no such file"
        for killed, expected in ((1, "was killed.*memory was used up\nGive it more"), (0, "no such file")):
            with mock.patch.object(session, "killed", lambda: killed):
                with self.assertRaisesRegex(session.Failure, expected):
                    opened.messages("some request")

    def test_processes_are_told_apart(self):
        roles = [session.role(*process) for process in [
            (0, "jupyter-lab"), (1, "convlens-kernel"), (2, "convlens-kernel"), (2, "cargo"), (3, "convlens-kernel")]]
        self.assertEqual(roles, ["server", "kernel", "child", "compilers", "compilers"])

    def test_the_memory_of_this_process_is_known(self):
        pid = session.os.getpid()
        self.assertEqual([(found, depth) for found, depth, _ in session.family(pid)], [(pid, 0)])
        if Path("/proc/self/smaps_rollup").exists():
            self.assertGreater(session.proportional(pid), 1_000_000)

    def test_a_notebook_that_the_image_lacks_is_not_passed_over_in_silence(self):
        with self.assertRaisesRegex(session.Failure, "no notebook to test"):
            session.notebooks(["there is none"])


if __name__ == "__main__":
    unittest.main()

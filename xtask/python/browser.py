"""Run notebooks from JupyterLab's page in a real browser, and look at what a reader would see there.

    browser.py --chromium FILE --output DIRECTORY NOTEBOOK ... -- SERVER COMMAND

Each NOTEBOOK is opened, looked at as it is stored, run by Run All, looked at in the light and in the dark
theme (page.js says for what) and saved from the page. The executed notebooks and pictures of the page
land in DIRECTORY. Two more notebooks are made on the spot: the cells of one fail on purpose, and their errors must be
readable; in the other, work for ever must be seen to move, and end when it is stopped. A test waits as long as
anything moves: see watch.py.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
from playwright.sync_api import Error, sync_playwright

from watch import TELL_EVERY, Watch, family

QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
WIDTH, HEIGHT = 1280, 900
# Chromium draws no page that is higher.
HIGHEST = 12_000
# What JupyterLab says on the console without us: it asks for each path that an error names, to make a link
# of it, and the photo of ERRORS is not there.
NOT_OURS = re.compile(r"404 .*/api/contents/.*/road/cat\.png")
# Cells that fail on purpose, each in another way, and a word of what a reader must see.
LONG = "../assets/photos/the/photo/of/a/cat/which/does/not/lie/at/the/end/of/this/rather/long/road"
ERRORS = [
    (f'Photo::open("{LONG}/cat.png")?;', "No such file"),
    (f'Photo::open("{LONG}/cat.png")', "Error:"),
    ('let rows = Tensor::from_slice(&[1f32, 2.]).matmul(&Tensor::from_slice(&[1f32]));', "size"),
    ('let count: i32 = "a text";', "mismatched types"),
]


# A cell that works until it is stopped, and what must be there afterwards.
LIFE = [
    """use convlens::prelude::*;
// Elsewhere in these tests, nobody wants to know how far work is.
unsafe { std::env::remove_var("CONVLENS_PROGRESS") };
let model = zoo::squeezenet1_1()?;
let look = model.look(&Photo::open("../assets/photos/cat.png")?)?;""",
    "look.explain(&Rise::default().samples(1_000_000))?",
    "model.name()",
]


class Failure(Exception):
    pass


class Server:
    """JupyterLab, on a free port of this machine."""

    def __init__(self, command, output):
        self.log = output / "server.log"
        self.runtime = output / "runtime"
        # The settings of whoever runs this must not matter, nor be changed.
        own = {"JUPYTER_RUNTIME_DIR": self.runtime, "JUPYTER_CONFIG_DIR": output / "config",
               "JUPYTERLAB_SETTINGS_DIR": output / "settings",
               "JUPYTERLAB_WORKSPACES_DIR": output / "workspaces"}
        for directory in own.values():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
        # Cells out of sight are in the page, too.
        tracker = output / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
        tracker.parent.mkdir(parents=True)
        tracker.write_text(json.dumps({"windowingMode": "none"}))
        options = ["--no-browser", "--ip=127.0.0.1", "--port=0"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command + options, stdout=log, stderr=subprocess.STDOUT,
                                            env={**os.environ, **{k: str(v) for k, v in own.items()}})

    def address(self):
        """(address, token) as soon as it serves."""
        if self.process.poll() is not None:
            raise Failure("JupyterLab ended as it started:\n" + self.words())
        with contextlib.suppress(OSError, ValueError):
            known = json.loads((self.runtime / f"jpserver-{self.process.pid}.json").read_text())
            return known["url"], known["token"]

    def words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def kernel(self):
        """The process of the kernel, if one runs."""
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
            return children[0].pid if children else None

    def close(self):
        self.process.terminate()
        self.process.wait()


class Browser:
    """Chromium on pages of the server, and what watches both."""

    def __init__(self, chromium, server, output):
        self.server, self.output = server, output
        self.watch = Watch(server.kernel, say, end=lambda: [child.kill() for child in family(os.getpid())[1:]])
        self.last = None
        self.page = None
        self.chromium = chromium

    def __enter__(self):
        self.watch.__enter__()
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(
            executable_path=self.chromium, args=QUIET, timeout=0)
        self.url, self.token = self.wait("JupyterLab's start", self.server.address)
        return self

    def __exit__(self, *_):
        self.watch.__exit__()
        with contextlib.suppress(Error):
            self.browser.close()
            self.playwright.stop()

    def wait(self, what, done):
        """What `done` returns once it returns something: that may take as long as anything moves."""
        self.watch.begin(what)
        shown = time.monotonic()
        while True:
            found = done()
            if found:
                return found
            if self.watch.gave_up:
                raise Failure(f"{what}: {self.watch.reason()}")
            if self.page:
                self.look()
                if time.monotonic() - shown >= TELL_EVERY:
                    shown = time.monotonic()
                    self.page.screenshot(path=self.output / "waiting.png", timeout=0)
                self.page.wait_for_timeout(250)
            else:
                time.sleep(0.25)

    def look(self):
        """Whatever changes in the page is movement."""
        now = self.page.evaluate(
            "[document.getElementsByTagName('*').length, document.body?.textContent.length]")
        if now != self.last:
            self.last = now
            self.watch.moved()

    def open(self, path, root):
        """The page with a notebook, once all its cells are there."""
        context = self.browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        context.set_default_timeout(0)
        self.page = context.new_page()
        self.complaints = []
        self.page.on("console", lambda message: message.type == "error" and self.console(
            f"{message.text} ({message.location.get('url')})"))
        self.page.on("pageerror", lambda error: self.console(str(error)))
        self.page.on("response", self.arrived)
        self.page.goto(f"{self.url}lab/tree/{path.relative_to(root)}?reset&token={self.token}",
                       wait_until="commit")
        cells = len(json.loads(path.read_text())["cells"])
        self.wait("the page", lambda: self.count(".jp-Notebook .jp-Cell") == cells)

    def console(self, text):
        if not NOT_OURS.search(text):
            self.complaints.append(f"the page's console: {text}")

    def arrived(self, response):
        # What JupyterLab asks for again and again is no movement.
        if "/api/" not in response.url:
            self.watch.moved()

    def count(self, selector):
        return self.page.locator(selector).count()

    def command(self, menu, *items):
        """A command of a menu, as a reader's mouse finds it."""
        entry = self.labelled("#jp-MainMenu .lm-MenuBar-itemLabel", menu)
        for item in items:
            entry.click()
            entry = self.labelled(".lm-Menu-itemLabel:visible", item)
        entry.click()

    def labelled(self, selector, text):
        entry = self.page.locator(selector, has_text=re.compile(f"^{text}$"))
        self.wait(f"the menu's {text}", lambda: entry.count() == 1)
        return entry

    def kernel_rests(self):
        return self.count('.jp-Notebook-ExecutionIndicator[data-status="idle"]') > 0

    def run(self):
        """Run All; returns the seconds until every cell has run."""
        self.command("Edit", "Clear Outputs of All Cells")
        began = time.monotonic()
        self.command("Run", "Run All Cells")
        self.wait("Run All's start", lambda: re.search(r"[*\d]", self.prompts()))
        # After an error nothing more runs: which cells have not run, the saved notebook says.
        self.wait("Run All", self.has_run)
        return time.monotonic() - began

    def start_cell(self, number):
        """JupyterLab passes over a cell that is run before its page has the kernel, so this one may be asked for again."""
        def begun():
            if re.search(r"[*\d]", self.prompts().split("\n")[number]):
                return True
            self.page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(number).click()
            self.page.keyboard.press("Control+Enter")

        self.wait(f"cell {number + 1}", begun)

    def run_cell(self, number):
        self.start_cell(number)
        self.wait(f"cell {number + 1}", self.has_run)

    def has_run(self):
        return "*" not in self.prompts() and self.kernel_rests()

    def prompts(self):
        """What stands beside the code cells: a star where one waits or runs, a number where it has run."""
        return "\n".join(self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_inner_texts())

    def save(self, path):
        with self.page.expect_response(
                lambda r: r.request.method == "PUT" and "/api/contents/" in r.url, timeout=0) as saved:
            self.page.keyboard.press("Control+s")
        if not saved.value.ok:
            raise Failure(f"{path.name} cannot be saved from the page: {saved.value.status}")

    def inspect(self, when, pictures):
        """What page.js finds; each cell must show as many pictures as its outputs hold."""
        found = self.page.evaluate((Path(__file__).parent / "page.js").read_text())
        self.complaints += [f"{when}: {complaint}" for complaint in found["complaints"]]
        for number, (shown, wanted) in enumerate(zip(found["pictures"], pictures), 1):
            if shown != wanted:
                self.complaints.append(f"{when}: cell {number} shows {shown} pictures of {wanted}")
        return found

    def theme(self, name):
        if self.page.evaluate("document.body.dataset.jpThemeName") != name:
            self.command("Settings", "Theme", name)
            self.wait(f"the theme {name}", lambda: self.page.evaluate(
                "document.body.dataset.jpThemeName") == name)

    def photograph(self, name):
        """The whole notebook as pictures, as high as Chromium can make them."""
        panel = "document.querySelector('.jp-Notebook .jp-WindowedPanel-outer')"
        height, around = self.page.evaluate(
            f"[{panel}.scrollHeight, window.innerHeight - {panel}.clientHeight]")
        high = min(height + around, HIGHEST)
        self.page.set_viewport_size({"width": WIDTH, "height": high})
        step, top, shots = high - around, 0, 0
        self.wait("the page's new height", lambda: self.page.evaluate(f"{panel}.clientHeight") >= step)
        while top < height:
            self.page.evaluate(f"{panel}.scrollTop = {top}")
            shots += 1
            self.page.screenshot(path=self.output / f"{name}-{shots}.png", timeout=0)
            top += step
        self.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})

    def close(self):
        self.page.context.close()
        self.page = None
        # The kernel outlives its page.
        api = self.playwright.request.new_context(
            base_url=self.url, extra_http_headers={"Authorization": f"token {self.token}"})
        for session in api.get("api/sessions", timeout=0).json():
            api.delete(f"api/sessions/{session['id']}", timeout=0)
        api.dispose()
        self.wait("the kernel's end", lambda: not self.server.kernel())


def code_cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def held(cell):
    """How many pictures JupyterLab makes of a cell's outputs: HTML comes before a picture."""
    count = 0
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "text/html" in data:
            count += "".join(data["text/html"]).count("<img")
        else:
            count += any(kind.startswith("image/") for kind in data)
    return count


def look(browser, name, pictures):
    for theme, suffix in (("JupyterLab Light", "light"), ("JupyterLab Dark", "dark")):
        browser.theme(theme)
        browser.inspect(suffix, pictures)
        browser.photograph(f"{name}-{suffix}")


def start(browser, path, root):
    """The notebook in the page as it is stored, beside a kernel that is ready."""
    browser.open(path, root)
    browser.inspect("as stored", [held(cell) for cell in code_cells(path)])
    browser.wait("the kernel's start", browser.kernel_rests)


def try_notebook(browser, path, root):
    began = time.monotonic()
    start(browser, path, root)
    seconds = browser.run()
    browser.save(path)
    pictures = [held(cell) for cell in code_cells(path)]
    look(browser, path.stem, pictures)
    browser.close()
    shutil.copyfile(path, browser.output / path.name)
    say(f"{path.name}: {len(pictures)} cells in {seconds:.0f} s, {sum(pictures)} pictures, "
        f"{time.monotonic() - began:.0f} s in all")
    return told(path, browser.complaints)


def write(path, sources):
    cells = [{"cell_type": "code", "source": source, "outputs": [], "metadata": {}, "id": str(number),
              "execution_count": None} for number, source in enumerate(sources)]
    kernel = {"display_name": "Rust (convlens)", "language": "rust", "name": "convlens"}
    path.write_text(json.dumps({"cells": cells, "metadata": {"kernelspec": kernel},
                                "nbformat": 4, "nbformat_minor": 5}))


def try_life(browser, path, root):
    """Work is a bar that moves; a stop ends it with what there is so far, and keeps the variables."""
    write(path, LIFE)
    start(browser, path, root)
    browser.run_cell(0)
    browser.start_cell(1)
    bar = browser.page.locator(".jp-OutputArea progress")
    browser.wait("a bar", lambda: bar.count() == 1)
    outputs = browser.page.locator(".jp-Notebook .jp-CodeCell .jp-Cell-outputArea")
    # Each move is an element of its own in the place of the one before.
    place = outputs.nth(1).bounding_box()
    seen = lambda: browser.page.screenshot(clip=place, timeout=0)
    first = seen()
    browser.wait("a move of the bar", lambda: seen() != first)
    browser.command("Kernel", "Interrupt Kernel")
    browser.wait("the end of work that is stopped", browser.has_run)
    browser.run_cell(2)
    _, stopped, kept = outputs.all()
    if bar.count():
        browser.complaints.append("the bar is still there after its work")
    if stopped.locator("img").count() != 1:
        browser.complaints.append(f"what is stopped shows no map but {stopped.inner_text()[:200]!r}")
    if "squeezenet1_1" not in kept.inner_text():
        browser.complaints.append(f"a stop does not keep variables: {kept.inner_text()[:200]!r}")
    browser.photograph(path.stem)
    browser.close()
    path.unlink()
    return told(path, browser.complaints)


def try_errors(browser, path, root):
    """Cells that fail are readable, and the first of them ends Run All."""
    write(path, [source for source, _ in ERRORS])
    start(browser, path, root)
    browser.run()
    if browser.prompts().split("\n")[1:] != ["[ ]:"] * (len(ERRORS) - 1):
        browser.complaints.append(f"Run All goes on after an error: {browser.prompts()!r}")
    for number in range(1, len(ERRORS)):
        browser.run_cell(number)
    look(browser, path.stem, [0] * len(ERRORS))
    shown = browser.page.locator(".jp-Notebook .jp-CodeCell .jp-Cell-outputArea").all_inner_texts()
    for (source, expected), text in zip(ERRORS, shown):
        if expected not in text:
            browser.complaints.append(f"{source} does not show {expected!r} but {text[:80]!r}")
    browser.close()
    path.unlink()
    return told(path, browser.complaints)


def told(path, complaints):
    for complaint in complaints:
        say(f"{path.name}: {complaint}")
    return complaints


def say(text):
    print(text, flush=True)


def main():
    mine, theirs = sys.argv[1:], []
    if "--" in mine:
        at = mine.index("--")
        mine, theirs = mine[:at], mine[at + 1:]
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("notebooks", type=Path, nargs="+")
    arguments = parser.parse_args(mine)
    server = Server(theirs, arguments.output)
    complaints = []
    try:
        with Browser(arguments.chromium, server, arguments.output) as browser:
            try:
                for path in arguments.notebooks:
                    complaints += try_notebook(browser, path, arguments.root)
                errors = arguments.notebooks[0].parent / "errors.ipynb"
                complaints += try_errors(browser, errors, arguments.root)
                complaints += try_life(browser, errors.with_name("life.ipynb"), arguments.root)
            except Failure:
                if browser.page and not browser.watch.gave_up:
                    browser.page.screenshot(path=arguments.output / "failed.png")
                raise
            except Error as error:
                said = browser.watch.reason() if browser.watch.gave_up else f"{error}\n{server.words()}"
                raise Failure(said) from error
    except (Failure, Error) as problem:
        say(problem)
        complaints.append(problem)
    finally:
        server.close()
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()

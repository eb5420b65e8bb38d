"""That the library's explorers answer: to the pointer, to keys and sliders, in both themes, wherever notebooks put
them. Run by `cargo xtask test --browser` on the pages that tests/explorer.rs has written.

    test_explorer.py CHROMIUM FOLDER
"""

import base64
import json
import re
import sys
import unittest
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser import QUIET

# As tests/explorer.rs has it.
HOSTILE = "</script><img src=x onerror=\"document.title='pwned'\">&lt;EVCXR_END_CONTENT"
# A cell's output in a notebook, without the output.
NOTEBOOK = """<!doctype html><body data-jp-theme-light="true" style="background: white"><div class="jp-Notebook"
style="width: 1000px"><div class="jp-CodeCell"><div class="jp-OutputArea-output jp-RenderedHTMLCommon"></div></div>
</div></body>"""
# How JupyterLab and Notebook 7 show HTML: it becomes elements, and then each script is replaced by one that runs.
LIKE_JUPYTERLAB = """(html) => {
  const output = document.querySelector(".jp-OutputArea-output");
  output.innerHTML = html;
  for (const script of output.querySelectorAll("script")) {
    const running = document.createElement("script");
    for (const { name, value } of script.attributes) running.setAttribute(name, value);
    running.textContent = script.textContent;
    script.replaceWith(running);
  }
}"""
# How VS Code does: what runs stands behind all of the output, for a moment.
LIKE_VS_CODE = """(html) => {
  const output = document.querySelector(".jp-OutputArea-output");
  output.innerHTML = html;
  for (const script of [...output.querySelectorAll("script")]) {
    const running = document.createElement("script");
    running.text = script.innerText;
    if (script.type) running.type = script.type;
    output.append(running);
    running.remove();
  }
}"""
# What the large picture, or a file, shows: red, green, blue and alpha of each pixel, in base64.
DRAWN = """async (file) => {
  const image = file ? new Image() : document.querySelector(".stage canvas");
  if (file) {
    image.src = file;
    await image.decode();
  }
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  let text = "";
  for (const byte of canvas.getImageData(0, 0, image.width, image.height).data) text += String.fromCharCode(byte);
  return btoa(text);
}"""
VIEW = {"width": 1080, "height": 800}
CONTROLS = {"button", "slider", "combobox", "option", "tab", "listbox", "tablist", "application"}


def value(text):
    """The number in what a page says."""
    return float(re.search(r"−?[\d.]+(e[+-]?\d+)?", text.replace("≈ ", ""))[0].replace("−", "-"))


class Explorer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.playwright = sync_playwright().start()
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=0)
        cls.context = cls.browser.new_context(viewport=VIEW)
        cls.truth = json.loads((FOLDER / "truth.json").read_text())
        cls.fragments = json.loads((FOLDER / "fragments.json").read_text())

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.playwright.stop()

    def page(self, **options):
        page = self.browser.new_page(viewport=VIEW, **options) if options else self.context.new_page()
        page.set_default_timeout(60_000)
        self.addCleanup(page.close)
        self.said, self.asked = [], []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        self.addCleanup(self.is_quiet)
        return page

    def is_quiet(self):
        self.assertEqual(self.said, [])
        outside = [url for url in self.asked if not url.startswith(("data:", "file:", "about:"))]
        self.assertEqual(outside, [])

    def open(self, name, **options):
        page = self.page(**options)
        page.goto((FOLDER / name).as_uri())
        page.wait_for_selector(".convlens-explorer[data-ready]")
        return page

    def at_layer(self):
        """The maps, at the layer that the truth is known of."""
        page = self.open("layers.html")
        self.assertEqual(page.locator(".sheet button").count(), 128)
        return page

    def said_at(self, page):
        return page.locator(".value").inner_text()

    def point(self, page, row, column, rows, columns):
        box = page.locator(".stage canvas").bounding_box()
        page.mouse.move(box["x"] + (column + 0.5) / columns * box["width"],
                        box["y"] + (row + 0.5) / rows * box["height"])

    def drawn(self, page, file=None):
        return base64.b64decode(page.evaluate(DRAWN, file))

    def sides(self, page, mark):
        """Left, top, right and bottom of what is drawn over the photo, in shares of it."""
        found = page.evaluate("""(mark) => {
          const [room, box] = [".stage canvas", mark].map((one) => document.querySelector(one).getBoundingClientRect());
          return [(box.left - room.left) / room.width, (box.top - room.top) / room.height,
                  (box.right - room.left) / room.width, (box.bottom - room.top) / room.height];
        }""", mark)
        return found

    def test_the_pointer_asks_for_values_and_shows_what_they_depend_on(self):
        page, width = self.at_layer(), self.truth["width"]
        page.get_by_role("option", name=re.compile("^map 5,")).click()
        values = self.truth["maps"][1]
        range_ = max(values) - min(values)
        for row, column in [(10, 20), (0, 0), (54, 54), (30, 41)]:
            self.point(page, row, column, width, width)
            said = self.said_at(page)
            self.assertTrue(said.startswith("map 5: ≈"), said)
            self.assertIn(f"row {row}, column {column};", said)
            expected = values[row * width + column]
            # Three figures are said of it.
            self.assertLessEqual(abs(value(said[6:]) - expected), range_ / 255 + abs(expected) / 200, said)
        self.point(page, 10, 20, width, width)
        self.assertIn("sees 15 × 15 pixels of 224 × 224", self.said_at(page))
        [top, bottom], [left, right] = self.truth["window"]
        for found, expected in zip(self.sides(page, ".field"), [left, top, right, bottom]):
            self.assertAlmostEqual(found, expected / 224, delta=0.004)
        shown = page.locator("dl").inner_text().split("\n")
        self.assertAlmostEqual(value(shown[1]), self.truth["means"][5], delta=abs(self.truth["means"][5]) / 200)
        rank = 1 + sum(mean > self.truth["means"][5] for mean in self.truth["means"])
        self.assertEqual(shown[2], f"rank {rank} of 128")

    def test_pointing_at_a_small_map_shows_it_for_as_long(self):
        page = self.at_layer()
        page.get_by_role("option", name=re.compile("^map 5,")).click()
        before = self.drawn(page)
        page.get_by_role("option", name=re.compile("^map 0,")).locator("canvas").hover()
        said = self.said_at(page)
        self.assertTrue(said.startswith("map 0: ≈"), said)
        row, column = map(int, re.search(r"row (\d+), column (\d+)", said).groups())
        values, width = self.truth["maps"][0], self.truth["width"]
        expected = values[row * width + column]
        within = (max(values) - min(values)) / 255 + abs(expected) / 200
        self.assertLessEqual(abs(value(said[6:]) - expected), within, said)
        self.assertNotEqual(self.drawn(page), before)
        page.locator("header").first.hover()
        self.assertTrue(self.said_at(page).startswith("map 5:"))
        self.assertEqual(self.drawn(page), before)

    def test_keys_walk_over_maps_layers_and_places(self):
        page = self.at_layer()
        page.evaluate("""() => {
          window.heard = 0;
          document.addEventListener("keydown", ({ key }) => (window.heard += key !== "Shift"));
        }""")
        page.get_by_role("option", name=re.compile("^map 0,")).click()
        chosen = page.locator(".sheet [aria-selected=true]")
        across = page.evaluate("""() => { const all = [...document.querySelectorAll(".sheet button")];
          return all.findIndex((one) => one.offsetTop > all[0].offsetTop); }""")
        for key, expected in [("ArrowRight", 1), ("ArrowDown", 1 + across), ("ArrowLeft", across), ("ArrowUp", 0),
                              ("ArrowUp", 0), ("End", 127), ("ArrowRight", 127), ("Home", 0)]:
            page.keyboard.press(key)
            self.assertEqual(chosen.get_attribute("data-map"), str(expected), key)
            self.assertEqual(page.evaluate("document.activeElement.dataset.map"), str(expected), key)
        page.get_by_role("combobox", name="Sort by").select_option("mean")
        means = self.truth["means"]
        first = page.locator(".sheet button").first
        self.assertEqual(first.get_attribute("data-map"), str(means.index(max(means))))
        page.get_by_role("option", name=self.truth["layer"]).focus()
        page.keyboard.press("ArrowDown")
        page.wait_for_selector(".stage[aria-label*='features.4']")
        self.assertIn("features.4", page.locator(".layers [aria-selected=true]").inner_text())
        self.point(page, 27, 27, 55, 55)
        page.locator(".stage").focus()
        page.keyboard.press("ArrowRight")
        self.assertIn("row 27, column 28;", self.said_at(page))
        page.keyboard.press("Shift+ArrowUp")
        self.assertIn("row 17, column 28;", self.said_at(page))
        # Notebooks have keys of their own.
        self.assertEqual(page.evaluate("window.heard"), 0)
        self.assertTrue(page.evaluate("document.querySelector('.convlens-explorer').dataset.lmSuppressShortcuts"))

    def test_sliders_mix_the_photo_and_the_map(self):
        page = self.at_layer()
        page.get_by_role("option", name=re.compile("^map 5,")).click()
        opacity, threshold = (page.get_by_role("slider", name=name) for name in ["Opacity", "Threshold"])
        mixed = self.drawn(page)
        opacity.press("Home")
        photo = self.drawn(page)
        self.assertNotEqual(photo, mixed)
        opacity.press("End")
        self.assertEqual(opacity.get_attribute("aria-valuetext"), "100\u00a0%")
        whole = self.drawn(page)
        ends = self.truth["inferno"]
        values, width, side = self.truth["maps"][1], self.truth["width"], int((len(photo) / 4) ** 0.5)
        for which, colour in [(min, bytes(ends[:3])), (max, bytes(ends[3:]))]:
            row, column = divmod(values.index(which(values)), width)
            at = 4 * (int((row + 0.5) / width * side) * side + int((column + 0.5) / width * side))
            self.assertEqual(whole[at:at + 3], colour)
        threshold.press("End")
        most = self.drawn(page)
        self.assertEqual(most[at:at + 3], colour)
        same = sum(most[i:i + 3] == photo[i:i + 3] for i in range(0, len(photo), 4))
        self.assertGreater(same, 0.98 * side * side)
        self.assertIn(f"{max(values):.3g}"[:4], threshold.get_attribute("aria-valuetext"))

    def test_what_is_cut_out_is_what_the_library_cuts_out(self):
        page = self.open("heat.html")
        page.get_by_role("button", name="cut out").click()
        found = self.drawn(page)
        file = base64.b64encode((FOLDER / "cut_out.png").read_bytes()).decode()
        expected = self.drawn(page, f"data:image/png;base64,{file}")
        self.assertEqual(len(found), len(expected))
        apart = sum(abs(a - b) for a, b in zip(found, expected)) / len(found)
        # The photo has been a JPEG in between.
        self.assertLess(apart, 2)
        page.get_by_role("slider", name="Threshold").press("End")
        least = self.drawn(page)
        self.assertGreater(sum(least), sum(found))
        self.assertTrue(page.get_by_role("slider", name="Opacity").is_disabled())

    def test_one_pointer_asks_all_explanations(self):
        page, heat = self.open("heats.html"), self.truth["heat"]
        width, values = heat["width"], heat["values"]
        self.point(page, 5, 4, width, width)
        within = max(values) / 255 + abs(values[5 * width + 4]) / 200
        self.assertLessEqual(abs(value(self.said_at(page)) - values[5 * width + 4]), within)
        self.assertIn(f"row 5, column 4 of {width} × {width}", self.said_at(page))
        crosses = page.evaluate("""() => [...document.querySelectorAll(".sheet .cross")].map((cross) =>
          [cross.style.left, cross.style.top, cross.classList.contains("on")])""")
        self.assertEqual(len(crosses), 5)
        self.assertEqual(len({tuple(cross) for cross in crosses}), 1)
        self.assertTrue(crosses[0][2])
        for output in page.locator(".sheet output").all_inner_texts():
            self.assertTrue(output.startswith("≈"), output)
        first = self.drawn(page)
        page.get_by_role("tab", name=re.compile("^Saluki")).click()
        self.assertNotEqual(self.drawn(page), first)
        self.assertIn("row 5, column 4", self.said_at(page))
        page.keyboard.press("ArrowLeft")
        self.assertEqual(self.drawn(page), first)
        self.assertIn(f"score {heat['score']:.3g}", page.locator(".middle").inner_text())
        page.get_by_role("tab", name="Saliency").click()
        chosen = page.locator("[role=tab][aria-selected=true]").all_inner_texts()
        self.assertEqual(chosen[0], "Saliency")
        self.assertEqual(page.locator(".sheet [aria-selected=true]").get_attribute("aria-label"), ", ".join(chosen))

    def test_the_drawing_leads_to_layers_and_photos_have_tabs(self):
        page = self.open("model.html")
        page.get_by_role("option", name="features.7", exact=True).click()
        page.wait_for_selector("text=features.7 · 256 maps of")
        page.get_by_role("option", name=re.compile("^map 9,")).click()
        self.point(page, 3, 3, 27, 27)
        drawn, said = self.drawn(page), self.said_at(page)
        page.get_by_role("tab", name="dog").click()
        page.wait_for_function("(said) => document.querySelector('.value').innerText !== said", arg=said)
        self.assertTrue(self.said_at(page).startswith("map 9:"))
        self.assertNotEqual(self.drawn(page), drawn)
        self.assertIn("features.7", page.locator(".boxes [aria-selected=true]").get_attribute("aria-label"))
        image, box = (page.locator(f".drawing {part}").bounding_box() for part in ["img", ".boxes"])
        self.assertEqual(image, box)

    def test_crops_lead_to_their_photos(self):
        page = self.open("patches.html")
        page.get_by_role("option", name=re.compile("^map 1")).click()
        self.assertEqual(page.locator(".sheet button").count(), 4)
        page.locator(".sheet button").nth(1).click()
        said = self.said_at(page)
        name = page.locator(".sheet button small").nth(1).inner_text()
        self.assertIn(f"{name}, of the class {name.split('/')[0]}", said)
        self.assertIn(name, page.locator(".stage img").get_attribute("alt"))
        row, column = map(int, re.search(r"sees rows (\d+) to \d+, columns (\d+)", said).groups())
        field = page.evaluate("""() => {
          const { left, top, width, height } = document.querySelector(".stage .field").style;
          return [left, top, width, height].map(parseFloat);
        }""")
        for found, expected in zip(field, [column, row, 1, 1]):
            self.assertAlmostEqual(found, 100 * expected / 16, places=2)

    def test_what_is_not_finite_is_said_and_coloured(self):
        page = self.open("broken.html")
        self.point(page, 3, 3, 8, 8)
        self.assertIn("map 0: NaN", self.said_at(page))
        page.get_by_role("option", name=re.compile("^map 1,")).click()
        self.point(page, 0, 6, 8, 8)
        self.assertIn("map 1: −∞", self.said_at(page))
        drawn = self.drawn(page)
        self.assertEqual(drawn[:3], bytes([255, 0, 255]))

    def test_names_are_text(self):
        for file in ["hostile_maps.html", "hostile_heats.html"]:
            page = self.open(file)
            self.assertNotIn("pwned", page.title().replace(HOSTILE, ""))
            self.assertEqual(page.locator("img:not([src^='data:'])").count(), 0)
            self.assertEqual(page.locator(".convlens-explorer :is(i, b) :is(img, script)").count(), 0)
            self.assertIn(HOSTILE, page.locator("header").inner_text().replace("\u00a0", " "))

    def test_every_control_has_a_name_and_a_narrow_page_holds_them(self):
        for file in ["layers.html", "heats.html", "heat.html", "model.html", "patches.html"]:
            page = self.open(file)
            tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
            found = [node for node in tree if node.get("role", {}).get("value") in CONTROLS]
            self.assertGreaterEqual(len(found), 5)
            nameless = [node["role"]["value"] for node in found if not node.get("name", {}).get("value", "").strip()]
            self.assertEqual(nameless, [], file)
            self.assertEqual(page.locator("[aria-live=polite]").count(), 1)
            self.assertEqual(page.locator("[id]").count(), 0)
            page.set_viewport_size({"width": 420, "height": 800})
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 420)

    def test_contrast_in_both_themes_and_wherever_a_notebook_runs_it(self):
        look = (Path(__file__).parent / "page.js").read_text()
        for how, themes in [(LIKE_VS_CODE, []), (LIKE_JUPYTERLAB, [("true", "white"), ("false", "#111")])]:
            page = self.page()
            page.set_content(NOTEBOOK)
            names = page.evaluate("Object.keys(window).length")
            page.evaluate(how, "\n".join(self.fragments + self.fragments[:1]))
            page.wait_for_function("document.querySelectorAll('.convlens-explorer[data-ready]').length === 4")
            self.assertEqual(page.evaluate("Object.keys(window).length"), names)
            for light, ground in themes:
                page.evaluate("""([light, ground]) => {
                  document.body.style.background = ground;
                  document.body.dataset.jpThemeLight = light;
                }""", [light, ground])
                theme = "light" if light == "true" else "dark"
                page.wait_for_function(
                    f"document.querySelectorAll('.convlens-explorer[data-theme={theme}]').length === 4")
                for stage in page.locator(".stage").all():
                    stage.hover()
                self.assertEqual(page.evaluate(look)["complaints"], [])

    def test_a_page_follows_the_browsers_theme(self):
        for file, scheme in [("maps.html", "light"), ("heat.html", "dark")]:
            page = self.open(file, color_scheme=scheme)
            self.assertEqual(page.locator(".convlens-explorer").get_attribute("data-theme"), scheme)

    def test_without_scripts_a_picture_stands_there(self):
        page = self.page(java_script_enabled=False)
        page.goto((FOLDER / "maps.html").as_uri())
        box = page.locator(".convlens-explorer img").bounding_box()
        self.assertGreater(min(box["width"], box["height"]), 300)
        self.assertIn("squeezenet1_1", page.locator("details p").inner_text())


if __name__ == "__main__":
    FOLDER = Path(sys.argv.pop(2)).resolve()
    CHROMIUM = sys.argv.pop(1)
    unittest.main(verbosity=2)

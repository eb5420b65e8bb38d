"""That page.js sees what a reader would complain about: run by `cargo xtask test --browser`.

    test_page.py CHROMIUM
"""

import sys
import unittest
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser import QUIET

PIXELS = """<script>{
  const picture = (width, height, colours) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    colours.forEach((colour, i) => { context.fillStyle = colour; context.fillRect(i * 9, 0, width, height); });
    return canvas.toDataURL();
  };
  for (const image of document.querySelectorAll("img[data-colours]"))
    image.src = picture(image.dataset.width ?? 40, 20, image.dataset.colours.split(" "));
}</script>"""
PAGE = """<body style="background: {background}"><div class="jp-Notebook" style="width: 300px">
<div class="jp-CodeCell"><div class="jp-OutputArea-output jp-RenderedHTMLCommon" style="font-size: 13px">{html}</div>
</div></div>"""


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.playwright = sync_playwright().start()
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=0)
        cls.page = cls.browser.new_page()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.playwright.stop()

    def seen(self, html, background="white"):
        self.page.set_content(PAGE.format(html=html, background=background) + PIXELS)
        return self.page.evaluate((Path(__file__).parent / "page.js").read_text())

    def complaint(self, html, **more):
        [complaint] = self.seen(html, **more)["complaints"]
        return complaint

    def test_what_is_well_is_let_pass(self):
        html = "<p>words</p><details><summary>more</summary>and more</details><img data-colours='red blue'>"
        self.assertEqual(self.seen(html), {"complaints": [], "pictures": [1]})

    def test_text_that_can_hardly_be_told_from_its_background(self):
        self.assertRegex(self.complaint("<p>dark</p>", background="#222"), r"contrast 1\.\d, .*: dark")
        self.assertRegex(self.complaint("<p style='color: #aaa8'>light</p>"), r"contrast 1\.\d, .*: light")
        folded = "<details><summary>more</summary><b style='color: white'>in it</b></details>"
        self.assertIn("contrast 1.0, less than 4.5: in it", self.complaint(folded))
        card = "<div style='background: white; color: #222'>card</div>"
        self.assertEqual(self.seen(card, background="#222")["complaints"], [])

    def test_text_that_is_not_seen_or_small(self):
        self.assertIn("not visible: gone", self.complaint("<p style='visibility: hidden'>gone</p>"))
        self.assertIn("letters of 8px: tiny", self.complaint("<p style='font-size: 8px'>tiny</p>"))

    def test_words_broken_over_lines(self):
        html = "<p style='word-break: break-all'>" + "several words that go on " * 5 + "</p>"
        self.assertIn("a word is broken over two lines", self.complaint(html))

    def test_pictures_that_are_not_as_they_should_be(self):
        broken = self.complaint("<img src='data:image/png;base64,AAAA'>")
        self.assertIn("a picture is not shown", broken)
        self.assertIn("in one colour: 40 x 20", self.complaint("<img data-colours='red'>"))
        two = "<img data-colours='red blue' "
        self.assertIn("stretched: 40 x 20 as 40 x 60", self.complaint(two + "style='width: 40px; height: 60px'>"))
        self.assertIn("blown up: 40 x 20 as 80 x 40", self.complaint(two + "width=80>"))
        self.assertIn("wider than the page: 400 x 20", self.complaint(two + "data-width=400>"))

    def test_tables_wider_than_the_page(self):
        self.assertIn("a table is wider than the page: x",
                      self.complaint("<table style='min-width: 400px'><td>x</table>"))


if __name__ == "__main__":
    CHROMIUM = sys.argv.pop(1)
    unittest.main(verbosity=2)

"""What a notebook's pages lose: nbconvert's HTML, and the same without scripts and styles, which is how
GitHub shows a stored notebook.
"""

import re

from bs4 import BeautifulSoup

from cells import code_cells

# What GitHub's sanitizer leaves of HTML in a notebook; other elements leave their content behind.
# https://github.com/gjtorikian/html-pipeline/blob/main/lib/html_pipeline/sanitization_filter.rb
ELEMENTS = {
    "h1", "h2", "h3", "h4", "h5", "h6", "br", "b", "i", "strong", "em", "a", "pre", "code", "img", "tt", "div",
    "ins", "del", "sup", "sub", "p", "picture", "ol", "ul", "table", "thead", "tbody", "tfoot", "blockquote",
    "dl", "dt", "dd", "kbd", "q", "samp", "var", "hr", "ruby", "rt", "rp", "li", "tr", "td", "th", "s",
    "strike", "summary", "details", "caption", "figure", "figcaption", "abbr", "bdo", "cite", "dfn", "mark",
    "small", "source", "span", "time", "wbr",
}
ATTRIBUTES = {"align", "alt", "colspan", "height", "href", "open", "rowspan", "src", "title", "valign", "width"}
# Whose content goes with them.
GONE = ["script", "style", "link", "meta", "title", "svg", "math", "iframe", "noscript", "template"]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def as_github(html):
    """The page without what GitHub takes from it."""
    page = BeautifulSoup(html, "html.parser")
    for element in page(GONE):
        element.decompose()
    for element in page(True):
        if element.name in ELEMENTS:
            element.attrs = {name: value for name, value in element.attrs.items() if name in ATTRIBUTES}
        else:
            element.unwrap()
    return str(page)


def lost(notebook, html):
    """(number of the cell, what of its outputs the page does not hold)."""
    page = BeautifulSoup(html, "html.parser")
    sources = {image.get("src", "").partition(",")[2].replace("\n", "") for image in page("img")}
    lines = words(page.get_text("\n"))
    rows = {row_of(row) for row in page("tr")}
    for number, cell in code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            pictures = [data[kind] for kind in data if kind.startswith("image/")]
            told = output.get("text", "") or "\n".join(output.get("traceback", []))
            if "text/html" in data:
                shown = BeautifulSoup(data["text/html"], "html.parser")
                pictures = [image["src"].partition(",")[2] for image in shown("img")]
                for row in shown("tr"):
                    if row_of(row) not in rows:
                        yield number, f"the row {' | '.join(row_of(row))[:80]}"
                told = shown.get_text("\n")
            elif not pictures:
                told = told or data.get("text/plain", "")
            if any(picture.replace("\n", "") not in sources for picture in pictures):
                yield number, "a picture"
            for line in ESCAPES.sub("", told).splitlines():
                if words(line) not in lines:
                    yield number, f"the line {line.strip()[:80]!r}"


def row_of(row):
    """The cells of a table's row: which side each stands on, and what it says."""
    return tuple(f"{cell.get('align', '')}:{words(cell.get_text())}" for cell in row(["td", "th"]))


def words(text):
    return " ".join(text.split())

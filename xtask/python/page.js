// What a reader of an open notebook would complain about, a line each; and how many pictures each code
// cell shows. Evaluated in JupyterLab's page.
async () => {
  // WCAG 2.1, 1.4.3: text and its background.
  const LEAST_CONTRAST = 4.5;
  const LEAST_LETTERS = 11; // pixels
  const complaints = [];
  const cells = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell")];

  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  // Any CSS colour as [red, green, blue, alpha], of 255 and of 1.
  const rgba = (colour) => {
    if (!known.has(colour)) {
      pixel.clearRect(0, 0, 1, 1);
      pixel.fillStyle = colour;
      pixel.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = (front, back) =>
    [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
  const background = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((back, front) => over(front, back), [255, 255, 255, 1]);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((level) => {
      const value = level / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };

  // One complaint for each kind in a cell: the first text that gives rise to it.
  const about = (cell, said) => (kind, text) => {
    if (!said.has(kind)) {
      said.add(kind);
      complaints.push(`cell ${cell}: ${kind}: ${text.trim().slice(0, 60)}`);
    }
  };
  const legible = (node, complain) => {
    const text = node.textContent;
    const element = node.parentElement;
    // What a closed list could be set to is not seen.
    if (!text.trim() || element.closest("script, style, option")) return;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) {
      complain("a text is not visible", text);
      return;
    }
    // evcxr colours what the compiler says for its own idea of a page; the words beside it must be legible.
    if (element.closest('[data-mime-type="application/vnd.jupyter.stderr"] span')) return;
    const style = getComputedStyle(element);
    const back = background(element);
    const ratio = contrast(over(rgba(style.color), back), back);
    if (ratio < LEAST_CONTRAST) {
      complain(`contrast ${ratio.toFixed(1)}, less than ${LEAST_CONTRAST}`, text);
    }
    if (parseFloat(style.fontSize) < LEAST_LETTERS) {
      complain(`letters of ${style.fontSize}`, text);
    }
    // Plain text JupyterLab breaks anywhere, whoever wrote it.
    if (!element.closest(".jp-RenderedHTMLCommon")) return;
    const range = document.createRange();
    for (const word of text.matchAll(/[\p{L}\p{N}_]+/gu)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) complain("a word is broken over two lines", word[0]);
    }
  };

  const blank = (image) => {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const canvas = new OffscreenCanvas(width, height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const pixels = new Uint32Array(canvas.getImageData(0, 0, width, height).data.buffer);
    return pixels.every((value) => value === pixels[0]);
  };
  const seen = async (image, room, complain) => {
    await image.decode().catch(() => {});
    const natural = `${image.naturalWidth} x ${image.naturalHeight}`;
    if (!image.complete || image.naturalWidth === 0) {
      complain("a picture is not shown", image.src.slice(0, 60));
      return;
    }
    const box = image.getBoundingClientRect();
    const shown = `${natural} as ${box.width.toFixed()} x ${box.height.toFixed()}`;
    if (box.width < 1 || box.left < room.left - 1 || box.right > room.right + 1) {
      complain("a picture is wider than the page", shown);
    }
    const stretched = (box.width * image.naturalHeight) / (box.height * image.naturalWidth);
    if (Math.abs(stretched - 1) > 0.02) complain("a picture is stretched", shown);
    if (box.width > image.naturalWidth + 1) complain("a picture is blown up", shown);
    if (blank(image)) complain("a picture is in one colour", natural);
  };

  const pictures = [];
  for (const [index, cell] of cells.entries()) {
    const complain = about(index + 1, new Set());
    let count = 0;
    for (const output of cell.querySelectorAll(".jp-OutputArea-output")) {
      const room = output.getBoundingClientRect();
      // What a click opens is read, too.
      const folded = [...output.querySelectorAll("details:not([open])")];
      folded.forEach((details) => (details.open = true));
      const walker = document.createTreeWalker(output, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) legible(walker.currentNode, complain);
      for (const table of output.querySelectorAll("table")) {
        if (table.getBoundingClientRect().right > room.right + 1) {
          complain("a table is wider than the page", table.textContent);
        }
      }
      for (const image of output.querySelectorAll("img")) {
        count += 1;
        await seen(image, room, complain);
      }
      folded.forEach((details) => (details.open = false));
    }
    pictures.push(count);
  }
  return { complaints, pictures };
}

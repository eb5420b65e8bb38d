// What answers in an explorer: of every one on the page that has not started yet. Nothing here has a name outside.
(() => {
  "use strict";

  // ---- Elements, numbers, pictures

  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(name, value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const number = (value) => {
    if (Number.isNaN(value)) return "NaN";
    if (!Number.isFinite(value)) return value > 0 ? "+∞" : "−∞";
    const size = Math.abs(value);
    let text = "0";
    if (size >= 1e6 || (size > 0 && size < 1e-3)) text = size.toExponential(2);
    else if (size >= 100) text = String(Math.round(size));
    else if (size > 0) text = String(Number(size.toPrecision(3)));
    return value < 0 && text !== "0" ? "−" + text : text;
  };
  // A line does not break before the sign.
  const unbroken = (text) => text.replaceAll(" %", "\u00a0%");
  const percent = (share) => unbroken(`${Math.round(100 * share)} %`);
  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const load = async (file) => {
    const image = new Image();
    image.src = file;
    await image.decode();
    return image;
  };
  const pixels = (image, width, height) => {
    const canvas = make("canvas", { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  };
  const luma = (data, at) => 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
  // A cell of the maps, from a share of their width or height.
  const cell = (share, count) => clamp(Math.floor(share * count), 0, count - 1);

  // The levels of all maps of a sprite, map after map, row after row.
  const levelsOf = async (sprite) => {
    const { count, height, width, columns } = sprite;
    const image = await load(sprite.file);
    const across = columns * width;
    const data = pixels(image, image.naturalWidth, image.naturalHeight);
    const levels = new Uint8Array(count * height * width);
    let at = 0;
    for (let map = 0; map < count; map++) {
      const corner = Math.floor(map / columns) * height * across + (map % columns) * width;
      for (let y = 0; y < height; y++) {
        const row = corner + y * across;
        for (let x = 0; x < width; x++) levels[at++] = data[4 * (row + x)];
      }
    }
    return levels;
  };

  // Levels as values and as colours.
  const scale = (page) => {
    const last = page.greatest;
    const palettes = Object.fromEntries(page.palettes.map(([name, colours]) => [name, bytes(colours)]));
    return {
      last,
      odd: page.odd,
      palettes,
      value: (level, [low, high]) =>
        level > last ? [NaN, Infinity, -Infinity][level - last - 1] : low + (level / last) * (high - low),
      // Red, green and blue for each level.
      colours: (name) => {
        const table = new Uint8Array(3 * (last + 4));
        for (let level = 0; level <= last; level++) {
          const entry = Math.round((level / last) * 255);
          table.set(palettes[name].subarray(3 * entry, 3 * entry + 3), 3 * level);
        }
        page.odd.forEach((colour, i) => table.set(colour, 3 * (last + 1 + i)));
        return table;
      },
    };
  };
  // Colours as the pixels of a canvas, four bytes in one number each.
  const packed = (table) => {
    const data = new Uint8ClampedArray((table.length / 3) * 4).fill(255);
    for (let i = 0; i < table.length; i++) data[Math.floor(i / 3) * 4 + (i % 3)] = table[i];
    return new Uint32Array(data.buffer);
  };
  const about = (value, [low, high]) => (Number.isFinite(value) && low < high ? "≈ " : "") + number(value);

  // ---- The theme of the page around

  const dark = (root) => {
    const context = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    const read = (colour) => {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      return context.getImageData(0, 0, 1, 1).data;
    };
    const bright = ([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b > 127;
    for (let at = root.parentElement; at; at = at.parentElement) {
      const back = read(getComputedStyle(at).backgroundColor);
      if (back[3] > 127) return !bright(back);
    }
    // Nothing is painted: then the page has the browser's own ground, on which its own ink is told apart.
    const probe = make("i");
    probe.style.color = "CanvasText";
    document.body.append(probe);
    const ink = read(getComputedStyle(probe).color);
    probe.remove();
    return bright(ink);
  };
  const follow = (root) => {
    const known = new WeakRef(root);
    const watches = new MutationObserver(() => look());
    const look = () => {
      const there = known.deref();
      if (!there) {
        watches.disconnect();
        document.removeEventListener("load", look, true);
      } else if (there.isConnected) {
        const theme = dark(there) ? "dark" : "light";
        if (there.dataset.theme !== theme) there.dataset.theme = theme;
      }
    };
    look();
    const attributes = { attributes: true, attributeFilter: ["class", "style", "data-jp-theme-light", "data-jp-theme-name", "data-vscode-theme-kind", "data-theme"] };
    watches.observe(document.documentElement, attributes);
    watches.observe(document.body, attributes);
    // A theme is a style sheet that comes later.
    document.addEventListener("load", look, true);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", look);
  };

  // ---- Parts that all explorers share

  // Buttons of which one is chosen: arrow keys walk, and Tab goes by the whole.
  const chooser = ({ name, role, className, choose }) => {
    const box = make("div", { class: className, role, "aria-label": name });
    const item = role === "tablist" ? "tab" : "option";
    let buttons = [];
    let chosen = 0;
    const mark = (index, on) => {
      buttons[index]?.setAttribute("aria-selected", on);
      buttons[index]?.setAttribute("tabindex", on ? 0 : -1);
    };
    const pick = (index, told = true) => {
      mark(chosen, false);
      chosen = index;
      mark(chosen, true);
      if (told) choose(chosen);
    };
    const across = () => {
      const next = buttons.findIndex((button) => button.offsetTop > buttons[0].offsetTop);
      return next < 0 ? buttons.length : next;
    };
    box.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const row = across();
      const lines = { ArrowUp: -row, ArrowDown: row, PageUp: -5 * row, PageDown: 5 * row }[event.key];
      const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (lines === undefined && steps === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      let to = chosen + (lines ?? clamp(steps, -chosen, buttons.length - 1 - chosen));
      // There may be no place straight above or below.
      if (to < 0 || to >= buttons.length) to = Math.abs(lines) > row ? clamp(to, 0, buttons.length - 1) : chosen;
      pick(to);
      buttons[to].focus();
    });
    const fill = (filled, first = 0) => {
      buttons = filled;
      chosen = first;
      buttons.forEach((button, index) => {
        button.setAttribute("role", item);
        mark(index, index === first);
        button.onclick = () => {
          pick(index);
          button.focus();
        };
      });
      box.replaceChildren(...buttons);
    };
    return { box, fill, pick, chosen: () => chosen };
  };

  const slider = (name, value, change) => {
    const input = make("input", { type: "range", min: 0, max: 100, value: Math.round(100 * value), "aria-label": name });
    const output = make("output");
    const show = (told) => {
      const words = change(input.value / 100, told);
      output.textContent = words;
      input.setAttribute("aria-valuetext", words);
    };
    input.addEventListener("input", () => show(true));
    // A page's own keys must not move something else.
    input.addEventListener("keydown", (event) => event.stopPropagation());
    return {
      parts: [make("label", {}, make("span", { "aria-hidden": "true" }, name), input), output],
      set: (share) => {
        input.value = Math.round(100 * share);
        show(false);
      },
      show: () => show(false),
    };
  };

  // A rectangle over a picture, by shares of its sides.
  const mark = (className) => {
    const box = make("i", { class: `mark ${className}`, "aria-hidden": "true" });
    const place = (sides) => {
      box.classList.toggle("on", Boolean(sides));
      if (!sides) return;
      const [left, top, right, bottom] = sides;
      Object.assign(box.style, { left: `${100 * left}%`, top: `${100 * top}%` });
      if (className !== "cross") Object.assign(box.style, { width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
    };
    return { box, place };
  };

  // The large picture. `ask` gets a place as shares of its sides; `now` says which was the last, and of what size the map is.
  const stage = (ask, now) => {
    const canvas = make("canvas", { "aria-hidden": "true" });
    const field = mark("field");
    const place = mark("place");
    const box = make("div", { class: "stage", tabindex: 0, role: "application", "aria-roledescription": "map" }, canvas, field.box, place.box);
    const pointed = (event) => {
      const room = canvas.getBoundingClientRect();
      ask(clamp((event.clientX - room.left) / room.width, 0, 1), clamp((event.clientY - room.top) / room.height, 0, 1));
    };
    box.addEventListener("pointermove", pointed);
    box.addEventListener("pointerdown", pointed);
    box.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      const [[x, y], { width, height }] = now();
      const to = (share, by, count) => (clamp(cell(share, count) + by * (event.shiftKey ? 10 : 1), 0, count - 1) + 0.5) / count;
      ask(to(x, step[0], width), to(y, step[1], height));
    });
    const context = canvas.getContext("2d");
    let base = null;
    return {
      box, field, place,
      // Outlines one value of maps of this size; where it is a pixel or two, what is around it as well.
      cell: (x, y, width, height) => {
        const ends = (at, count) => {
          const half = Math.max(0.5 / count, 0.01);
          return [(at + 0.5) / count - half, (at + 0.5) / count + half];
        };
        const [[left, right], [top, bottom]] = [ends(x, width), ends(y, height)];
        place.place([left, top, right, bottom]);
      },
      name: (name) => box.setAttribute("aria-label", `${name}; arrow keys move the place that is asked for`),
      // The photo that everything is drawn on.
      show: (image) => {
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        base = pixels(image, canvas.width, canvas.height);
      },
      draw: (paint) => {
        const drawn = context.createImageData(canvas.width, canvas.height);
        paint(drawn.data, base, canvas.width, canvas.height);
        context.putImageData(drawn, 0, 0);
      },
    };
  };

  const bar = () => {
    const canvas = make("canvas", { width: 256, height: 1, "aria-hidden": "true" });
    const [low, high] = [make("span"), make("span")];
    const context = canvas.getContext("2d");
    const show = (palette, least, most) => {
      const drawn = context.createImageData(256, 1);
      new Uint32Array(drawn.data.buffer).set(packed(palette));
      context.putImageData(drawn, 0, 0);
      low.textContent = least;
      high.textContent = most;
    };
    return { box: make("div", { class: "bar" }, low, canvas, high), show };
  };

  const distinct = (list) => [...new Set(list)];
  const notes = (photos) => distinct(photos.map(({ note }) => note && `The photo shows ${note}.`));
  const head = (title, words) => make("header", {}, make("b", {}, unbroken(title)), words ? make("span", {}, unbroken(words)) : null);
  const foot = (...lines) => make("footer", {}, ...lines.filter(Boolean).map((line) => make("p", {}, line)));

  // ---- The maps of a network's layers

  const maps = async (page) => {
    const { value, last, colours, palettes } = scale(page);
    const greys = packed(colours("Greys"));
    const heat = colours("inferno");
    const photos = await Promise.all(page.looks.map(({ photo }) => load(photo.file)));
    let seenBy = page.looks[0];
    const decoded = new Map();
    let [layer, levels, order] = [null, null, []];
    // The map that was chosen, and the one under the pointer.
    let [kept, seen] = [0, 0];
    let at = null;
    let [opacity, threshold] = [0.75, 0];

    const layers = chooser({
      name: "Layers", role: "listbox", className: page.drawing ? "boxes" : "layers", choose: (index) => open(index),
    });
    const sheet = chooser({ name: "Maps", role: "listbox", className: "sheet", choose: (index) => enlarge((kept = order[index])) });
    const large = stage((x, y) => ask(x, y), () => [at ?? [0.5, 0.5], layer.maps]);
    large.show(photos[0]);
    const scaleBar = bar();
    const told = make("output", { class: "value", "aria-live": "polite" });
    const statistics = make("dl");
    const range = () => layer.maps.ranges[seen];
    const opaque = slider("Opacity", opacity, (share, moved) => {
      opacity = share;
      if (moved) draw();
      return percent(share);
    });
    const above = slider("Threshold", threshold, (share, moved) => {
      threshold = share;
      if (moved) draw();
      if (!layer || share === 0) return "all values";
      const [low, most] = range();
      return `from ${number(low + share * (most - low))}`;
    });
    const sort = make("select", { "aria-label": "Sort by", change: () => arrange() },
      ...["channel", "mean", "maximum"].map((by) => make("option", { value: by }, by)));
    const [name, count] = [make("b"), make("span")];

    // So many are greater: 1 for the greatest.
    const rank = (values, index) => 1 + values.filter((other) => other > values[index]).length;
    const greatest = () => layer.maps.ranges.map(([, most]) => most);

    const draw = () => {
      const { height, width } = layer.maps;
      const first = seen * height * width;
      const from = threshold * last;
      large.draw((out, base, across, down) => {
        const columns = Array.from({ length: across }, (_, x) => Math.floor((x * width) / across));
        let to = 0;
        for (let y = 0; y < down; y++) {
          const row = first + Math.floor((y * height) / down) * width;
          for (let x = 0; x < across; x++, to += 4) {
            const level = levels[row + columns[x]];
            const part = level > last ? 1 : level < from ? 0 : opacity;
            // The more of the map there is, the less colour of the photo is between its colours.
            const grey = part * luma(base, to);
            for (let c = 0; c < 3; c++) {
              out[to + c] = (1 - part) * ((1 - part) * base[to + c] + grey) + part * heat[3 * level + c];
            }
            out[to + 3] = 255;
          }
        }
      });
      const [low, most] = range();
      scaleBar.show(palettes.inferno, number(low), number(most));
    };

    const tell = () => {
      const { height, width } = layer.maps;
      if (!at) {
        told.replaceChildren("Point at a map", make("small", {}, "A click keeps it; arrow keys walk."));
        return;
      }
      const [x, y] = [cell(at[0], width), cell(at[1], height)];
      const here = value(levels[(seen * height + y) * width + x], range());
      large.cell(x, y, width, height);
      const field = layer.field;
      const [rows, columns] = [field?.rows[y], field?.columns[x]];
      const [high, wide] = seenBy.photo.seen;
      const sees = field && rows[0] < rows[1] && columns[0] < columns[1];
      large.field.place(sees && [columns[0] / wide, rows[0] / high, columns[1] / wide, rows[1] / high]);
      let words = "no receptive field is known for this layer";
      if (field) words = "sees nothing but padding";
      if (sees) words = `sees ${rows[1] - rows[0]} × ${columns[1] - columns[0]} pixels of ${high} × ${wide}`;
      if (field?.gated) words += ", and a little of all others";
      // Of averages, all rows and columns of the layer's own maps that they are of.
      const of = (name, at, end) => {
        const [first, behind] = [at * layer.averaged, Math.min((at + 1) * layer.averaged, end)];
        return behind - first > 1 ? `${name}s ${first} to ${behind - 1}` : `${name} ${first}`;
      };
      const where = `${of("row", y, layer.size[0])}, ${of("column", x, layer.size[1])}`;
      told.replaceChildren(`map ${seen}: ${about(here, range())}`, make("small", {}, `${where}; ${words}`));
    };

    // Shows a map large.
    const enlarge = (map) => {
      seen = map;
      const [least, most] = range();
      const means = layer.means;
      const of = (values) => `rank ${rank(values, map)} of ${layer.maps.count}`;
      const row = (name, shown, words) => [make("dt", {}, name), make("dd", {}, number(shown)), make("dd", {}, words)];
      statistics.replaceChildren(
        ...row("mean", means[map], of(means)), ...row("maximum", most, of(greatest())), ...row("minimum", least, ""));
      large.name(`map ${map} of ${layer.name} over the photo`);
      opaque.show();
      above.show();
      draw();
      tell();
    };

    const ask = (x, y) => {
      at = [x, y];
      tell();
    };

    const tile = (map) => {
      const { height, width } = layer.maps;
      const canvas = make("canvas", { width, height, "aria-hidden": "true", class: Math.max(height, width) <= 58 ? "few" : null });
      const context = canvas.getContext("2d");
      const drawn = context.createImageData(width, height);
      const words = new Uint32Array(drawn.data.buffer);
      const first = map * height * width;
      for (let i = 0; i < words.length; i++) words[i] = greys[levels[first + i]];
      context.putImageData(drawn, 0, 0);
      return make("button", { type: "button", "data-map": map, "aria-label": `map ${map}, mean ${number(layer.means[map])}` }, canvas, String(map));
    };

    let tiles = [];
    const arrange = () => {
      order = tiles.map((_, map) => map);
      const by = { mean: layer.means, maximum: greatest() }[sort.value];
      if (by) order.sort((a, b) => by[b] - by[a] || a - b);
      sheet.fill(order.map((map) => tiles[map]), order.indexOf(kept));
    };

    const open = async (index) => {
      const next = seenBy.layers[index];
      if (!decoded.has(next)) decoded.set(next, levelsOf(next.maps));
      const found = await decoded.get(next);
      // Another may have been chosen meanwhile.
      if (next !== seenBy.layers[layers.chosen()]) return;
      // The same layer of another photo keeps its map.
      const same = layer?.name === next.name;
      [layer, levels] = [next, found];
      tiles = layer.means.map((_, map) => tile(map));
      if (!same) kept = 0;
      arrange();
      if (!same) kept = order[0];
      if (!same) sheet.box.scrollTop = 0;
      const size = layer.size.join(" × ");
      name.textContent = layer.name;
      count.textContent = `${layer.maps.count} maps of ${size}` + (layer.averaged > 1 ? `, means of ${layer.averaged} × ${layer.averaged}` : "");
      sheet.pick(order.indexOf(kept));
    };

    const under = (event) => {
      const tile = event.target.closest("[data-map]");
      if (!tile) return;
      const room = tile.querySelector("canvas").getBoundingClientRect();
      at = [clamp((event.clientX - room.left) / room.width, 0, 1), clamp((event.clientY - room.top) / room.height, 0, 1)];
      const map = Number(tile.dataset.map);
      if (map === seen) tell();
      else enlarge(map);
    };
    sheet.box.addEventListener("pointermove", under);
    sheet.box.addEventListener("pointerleave", () => {
      if (seen !== kept) enlarge(kept);
    });

    let drawing = null;
    if (page.drawing) {
      const boxes = page.drawing.boxes.filter((box) => box.layer !== null);
      layers.fill(boxes.map(({ name, sides: [left, top, right, bottom] }) => {
        const button = make("button", { type: "button", "aria-label": name, title: name });
        Object.assign(button.style, {
          left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%`,
        });
        return button;
      }));
      const image = await load(page.drawing.file);
      image.alt = "the network: a click on a box leads to its maps";
      image.width = image.naturalWidth;
      drawing = make("div", { class: "drawing" }, make("div", {}, image, layers.box));
    } else {
      layers.fill(seenBy.layers.map(({ name, kind, maps: { count }, size }) =>
        make("button", { type: "button" }, name, make("small", {}, kind), make("small", {}, `${count} × ${size.join(" × ")}`))));
    }
    const predicted = make("span");
    const turn = (index) => {
      seenBy = page.looks[index];
      large.show(photos[index]);
      predicted.textContent = seenBy.about ? unbroken(`predicted: ${seenBy.about}`) : "";
      return open(layers.chosen());
    };
    const tabs = chooser({ name: "Photo", role: "tablist", className: "tabs", choose: turn });
    tabs.fill(page.looks.map(({ photo }) => make("button", { type: "button" }, photo.title)));
    await turn(0);
    return [
      make("header", {}, make("b", {}, page.title), predicted),
      drawing,
      page.looks.length > 1 ? make("div", { class: "tabs" }, make("span", { "aria-hidden": "true" }, "Photo"), tabs.box) : null,
      make("div", { class: "columns" },
        drawing ? null : layers.box,
        make("div", { class: "middle" },
          make("div", { class: "tools" }, drawing ? make("span", {}, name, " · ", count) : count, make("label", {}, "sort by ", sort)),
          sheet.box),
        make("div", { class: "large" }, large.box, scaleBar.box, told, statistics,
          make("div", { class: "sliders" }, ...opaque.parts, ...above.parts))),
      foot(...notes(page.looks.map(({ photo }) => photo)),
        "Maps are stored in 8 bits, each on its own scale: a value at the pointer is right to 1/255 of the map's range. Mean, maximum, minimum and ranks are exact. In the sheet, dark is high."),
    ];
  };

  // ---- Explanations

  // A map at another size; the edges of both meet, or nothing is interpolated.
  const resized = (map, height, width, down, across, smooth) => {
    const taps = (count, result) => Array.from({ length: result }, (_, i) => {
      if (!smooth) return [Math.floor((i * count) / result), 0, 0];
      const position = Math.max(((i + 0.5) * count) / result - 0.5, 0);
      const first = Math.min(Math.floor(position), count - 1);
      return [first, Math.min(first + 1, count - 1), position - first];
    });
    const [rows, columns] = [taps(height, down), taps(width, across)];
    const out = new Float32Array(down * across);
    let to = 0;
    for (const [top, bottom, y] of rows) {
      for (const [left, right, x] of columns) {
        const above = map[top * width + left] * (1 - x) + (x && map[top * width + right] * x);
        const below = y && map[bottom * width + left] * (1 - x) + (x && map[bottom * width + right] * x);
        out[to++] = above * (1 - y) + below * y;
      }
    }
    return out;
  };
  // From 0 to 1; the same everywhere becomes 0.
  const scaled = (map) => {
    let [low, high] = [Infinity, -Infinity];
    for (const one of map) [low, high] = [Math.min(low, one), Math.max(high, one)];
    return map.map((one) => (one - low) / (1e-7 + high - low));
  };
  const heats = async (page) => {
    const { value, last, palettes } = scale(page);
    const photos = await Promise.all(page.photos.map((photo) => load(photo.file)));
    const all = await Promise.all(page.heats.map(async (heat) => {
      const levels = await levelsOf(heat.map);
      const [range, [low, high]] = [heat.map.ranges[0], heat.colours];
      const finite = Float32Array.from(levels, (level) => (level > last ? range[level === last + 2 ? 1 : 0] : value(level, range)));
      return {
        ...heat, levels, range,
        // From 0 to 1 as the colours have it, and as what is cut out has it.
        shades: finite.map((one) => (high > low ? clamp((one - low) / (high - low), 0, 1) : 0)),
        shares: scaled(finite.map((one) => Math.max(one, 0))),
        odd: levels.some((level) => level > last),
      };
    }));
    // What tells explanations apart, and the tabs for it.
    const facets = [
      ["Photo", (heat) => page.photos[heat.photo].title],
      ["Method", (heat) => heat.method + (heat.layer ? `, at ${heat.layer}` : "")],
      ["Class", (heat) => unbroken(heat.about ?? "of no class")],
    ].map(([name, of]) => ({ name, of, values: distinct(all.map(of)) })).filter(({ values }) => values.length > 1);

    let [chosen, at, cutting] = [0, null, false];
    const opacities = { positive: 0.5, signed: 0.85, magnitude: 0.85 };
    const thresholds = { over: 0, cut: 0.5 };
    const now = () => all[chosen];
    const large = stage((x, y) => ask(x, y), () => [at ?? [0.5, 0.5], now().map]);
    const scaleBar = bar();
    const told = make("output", { class: "value", "aria-live": "polite" });
    const lines = make("div");
    const opaque = slider("Opacity", 0.5, (share, moved) => {
      if (moved) opacities[now().meaning] = share;
      if (moved) draw();
      return percent(share);
    });
    const above = slider("Threshold", 0, (share, moved) => {
      if (moved) thresholds[cutting ? "cut" : "over"] = share;
      if (moved) draw();
      return cutting || share > 0 ? `from ${share.toFixed(2)}` : "all values";
    });

    // What is drawn of a map on a photo of any size.
    const paint = (heat, cut, threshold, opacity) => (out, base, across, down) => {
      const { height, width } = heat.map;
      const sized = (map) => resized(map, height, width, down, across, heat.smooth);
      const signed = heat.meaning === "signed";
      // A map that is the same everywhere has no colours.
      const varies = heat.colours[0] < heat.colours[1];
      const palette = palettes[heat.palette];
      const shades = sized(heat.shades);
      const shares = cut ? scaled(sized(heat.shares)) : null;
      for (let i = 0, to = 0; i < across * down; i++, to += 4) {
        out[to + 3] = 255;
        if (cut) {
          const [x, y] = [i % across, Math.floor(i / across)];
          const slope = Math.hypot(
            shares[x + 1 < across ? i + 1 : i] - shares[x > 0 ? i - 1 : i],
            shares[y + 1 < down ? i + across : i] - shares[y > 0 ? i - across : i]) / 2;
          const shown = clamp((shares[i] - threshold) / Math.max(slope, 1e-6) / 1.5 + 0.5, 0, 1);
          const rest = 255 - 0.15 * (255 - luma(base, to));
          for (let c = 0; c < 3; c++) out[to + c] = shown * base[to + c] + (1 - shown) * rest;
          continue;
        }
        const shade = shades[i];
        const size = signed ? Math.abs(2 * shade - 1) : shade;
        const part = !varies || size < threshold ? 0 : signed ? opacity * Math.sqrt(size) : opacity;
        const entry = 3 * Math.floor(255 * shade);
        const grey = signed ? luma(base, to) : 0;
        for (let c = 0; c < 3; c++) {
          out[to + c] = (1 - part) * (signed ? grey : base[to + c]) + part * palette[entry + c];
        }
        if (heat.odd) {
          const level = heat.levels[Math.floor(Math.floor(i / across) * height / down) * width + Math.floor((i % across) * width / across)];
          if (level > last) for (let c = 0; c < 3; c++) out[to + c] = page.odd[level - last - 1][c];
        }
      }
    };
    const draw = () => large.draw(paint(now(), cutting, thresholds[cutting ? "cut" : "over"], opacities[now().meaning]));

    const valueAt = (heat) => {
      const { height, width } = heat.map;
      const [x, y] = [cell(at[0], width), cell(at[1], height)];
      const [index, shade] = [y * width + x, heat.shades[y * width + x]];
      const share = cutting ? heat.shares[index] : heat.meaning === "signed" ? Math.abs(2 * shade - 1) : shade;
      return { x, y, level: heat.levels[index], share };
    };
    const tell = () => {
      if (!at) {
        told.replaceChildren("Point at the photo", make("small", {}, "Arrow keys move the place, too."));
        return;
      }
      const { height, width } = now().map;
      const { x, y, level, share } = valueAt(now());
      large.cell(x, y, width, height);
      told.replaceChildren(about(value(level, now().range), now().range),
        make("small", {}, `row ${y}, column ${x} of ${height} × ${width}; share ${share.toFixed(2)}`));
      all.forEach((heat, index) => {
        const same = heat.photo === now().photo;
        crosses[index].place(same && [at[0], at[1]]);
        values[index].textContent = same ? about(value(valueAt(heat).level, heat.range), heat.range) : "";
      });
    };
    const ask = (x, y) => {
      at = [x, y];
      tell();
    };

    const rows = facets.map((facet) => {
      const tabs = chooser({ name: facet.name, role: "tablist", className: "tabs", choose: (index) => {
        // The one that has this, and otherwise most in common with what was shown.
        const common = (heat) => facets.filter(({ of }) => of(heat) === of(now())).length;
        const matching = all.filter((heat) => facet.of(heat) === facet.values[index]);
        show(all.indexOf(matching.reduce((best, heat) => (common(heat) > common(best) ? heat : best))));
      } });
      tabs.fill(facet.values.map((words) => make("button", { type: "button" }, words)));
      return { facet, tabs, box: make("div", { class: "tabs" }, make("span", { "aria-hidden": "true" }, facet.name), tabs.box) };
    });

    const crosses = all.map(() => mark("cross"));
    const values = all.map(() => make("output", { "aria-live": "off" }));
    const sheet = chooser({ name: "Explanations", role: "listbox", className: "sheet wide", choose: (index) => show(index) });
    sheet.fill(all.map((heat, index) => {
      const image = photos[heat.photo];
      const width = 160;
      const height = Math.max(1, Math.round((width * image.naturalHeight) / image.naturalWidth));
      const canvas = make("canvas", { width, height, "aria-hidden": "true" });
      const context = canvas.getContext("2d");
      const drawn = context.createImageData(width, height);
      paint(heat, false, 0, opacities[heat.meaning])(drawn.data, pixels(image, width, height), width, height);
      context.putImageData(drawn, 0, 0);
      const words = heat.about ? [unbroken(heat.about), heat.method] : [heat.method, "of no class"];
      const button = make("button", { type: "button", "aria-label": facets.map(({ of }) => of(heat)).join(", ") || words.join(", ") },
        make("span", { class: "framed" }, canvas, crosses[index].box), words[0], make("small", {}, words[1]), values[index]);
      const pointed = (event) => {
        const room = canvas.getBoundingClientRect();
        if (heat.photo === now().photo) ask(clamp((event.clientX - room.left) / room.width, 0, 1), clamp((event.clientY - room.top) / room.height, 0, 1));
      };
      button.addEventListener("pointermove", pointed);
      return button;
    }));

    const marks = make("div", { "aria-hidden": "true" });
    const show = (index) => {
      const other = page.heats[index].photo !== now().photo || index === chosen;
      chosen = index;
      const heat = now();
      if (other) {
        large.show(photos[heat.photo]);
        [at, crosses].flat().forEach((cross) => cross?.place?.(null));
        at = null;
        large.place.place(null);
      }
      marks.replaceChildren(...heat.boxes.map(({ sides, label }) => {
        const box = mark("box");
        box.place(sides);
        box.box.append(make("span", {}, label));
        return box.box;
      }));
      rows.forEach(({ facet, tabs }) => tabs.pick(facet.values.indexOf(facet.of(heat)), false));
      sheet.pick(index, false);
      const words = [heat.method, heat.about && unbroken(heat.about)].filter(Boolean).join(": ");
      large.name(`${words}, over the photo`);
      const score = heat.score === null ? "" : `score ${number(heat.score)}`;
      lines.replaceChildren(...[words, [heat.layer && `at ${heat.layer}`, score].filter(Boolean).join("; "), ...heat.remarks]
        .filter(Boolean).map((line, i) => make("div", {}, i ? line : make("b", {}, line))));
      const [low, high] = heat.colours;
      const [least, most] = heat.range;
      scaleBar.show(palettes[heat.palette], (least < low ? "≤ " : "") + number(low), (most > high ? "≥ " : "") + number(high));
      legend.textContent = cutting ? "the photo where the map is at least the threshold" : heat.legend;
      opaque.set(opacities[heat.meaning]);
      above.set(thresholds[cutting ? "cut" : "over"]);
      draw();
      tell();
    };
    const legend = make("div", {});
    const modes = ["over the photo", "cut out"].map((words, i) => make("button", { type: "button", "aria-pressed": String(i === 0), click: () => {
      cutting = i === 1;
      modes.forEach((mode, place) => mode.setAttribute("aria-pressed", place === i));
      opaque.parts[0].querySelector("input").disabled = cutting;
      legend.textContent = cutting ? "the photo where the map is at least the threshold" : now().legend;
      above.set(thresholds[cutting ? "cut" : "over"]);
      draw();
      tell();
    } }, words));
    show(0);
    large.box.append(marks);
    const single = all.length === 1;
    return [
      head(single ? page.photos[0].title : page.title),
      ...rows.map(({ box }) => box),
      make("div", { class: "columns" },
        make("div", { class: "large" }, large.box, scaleBar.box, legend),
        make("div", { class: "middle" }, lines, told,
          make("div", { class: "modes", role: "group", "aria-label": "Show" }, ...modes),
          make("div", { class: "sliders" }, ...opaque.parts, ...above.parts),
          single ? null : sheet.box)),
      foot(...notes(page.photos),
        "Maps are stored in 8 bits, each on its own scale: a value at the pointer is right to 1/255 of the map's range. The threshold goes by its share: 1 is the last colour, or in 'cut out' the greatest value, and what is negative has 0 there."),
    ];
  };

  // ---- The crops that excite maps most

  const patches = async (page) => {
    const several = page.maps.length > 1;
    let crops = page.maps[0].patches;
    const field = mark("field");
    const image = make("img");
    const words = make("output", { class: "value", "aria-live": "polite" });
    const show = (index) => {
      const { photo, value, place, rows, columns } = crops[index];
      const { name, class: label, file, size: [height, width] } = page.photos[photo];
      image.src = file;
      image.style.imageRendering = Math.max(height, width) < 100 ? "pixelated" : "";
      image.alt = `${name}, with the part outlined that the value depends on`;
      field.place([columns[0] / width, rows[0] / height, columns[1] / width, rows[1] / height]);
      words.replaceChildren(
        number(value),
        make("small", {}, label ? `${name}, of the class ${label}` : name),
        make("small", {}, `row ${place[0]}, column ${place[1]} of the map; sees rows ${rows[0]} to ${rows[1] - 1}, ` +
          `columns ${columns[0]} to ${columns[1] - 1} of ${height} × ${width} pixels`));
    };
    const sheet = chooser({ name: "Crops", role: "listbox", className: "sheet wide", choose: show });
    const open = (index) => {
      crops = page.maps[index].patches;
      sheet.fill(crops.map(({ file, value, photo }) =>
        make("button", { type: "button" }, make("img", { src: file, alt: "" }), number(value), make("small", {}, page.photos[photo].name))));
      sheet.pick(0);
    };
    const maps = chooser({ name: "Maps", role: "listbox", className: "layers", choose: open });
    maps.fill(page.maps.map(({ map, patches }) =>
      make("button", { type: "button" }, `map ${map}`, make("small", {}, `greatest value ${number(patches[0].value)}`))));
    open(0);
    await image.decode();
    return [
      head(page.title, "the crops that excite it most"),
      make("div", { class: "columns" },
        several ? maps.box : null,
        make("div", { class: "middle" }, sheet.box),
        make("div", { class: "large" }, make("div", { class: "stage whole" }, image, field.box), words)),
      foot("A click on a crop shows the whole photo. The outline holds the pixels that the value depends on."),
    ];
  };

  // ---- The start

  const kinds = { maps, heats, patches };
  const start = async (root) => {
    root.dataset.started = "";
    const page = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
    const still = root.querySelector("details");
    const parts = await kinds[page.kind](page);
    follow(root);
    still.open = false;
    still.before(...parts.filter(Boolean));
    root.dataset.ready = "";
  };
  // A notebook may run this far from where it stands, so it looks for what has not started.
  const near = document.currentScript?.getRootNode() ?? document;
  for (const root of near.querySelectorAll(".convlens-explorer:not([data-started])")) {
    start(root).catch((error) => root.append(`This picture does not answer: ${error.message ?? error}`));
  }
})();

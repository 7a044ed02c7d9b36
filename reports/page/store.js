// The page's data: the table read once, a crystal's maps unpacked when they are first looked at.
window.crysmm = window.crysmm || {};
(function (app) {
  "use strict";
  app.data = JSON.parse(document.getElementById("data").textContent);
  app.state = { pair: 0, crystal: -1, head: -1, special: true, difference: true, layout: "auto", scale: "linear", direction: "atom_to_text", atoms: { kind: "all" }, word: -1, run: 0, allArms: false, zoom: 1, lasso: null };

  const listeners = {};
  app.on = function (event, react) { (listeners[event] = listeners[event] || []).push(react); };
  app.emit = function (event) { (listeners[event] || []).forEach(function (react) { react(); }); };

  app.element = function (tag, attributes, children) {
    const node = document.createElement(tag);
    Object.entries(attributes || {}).forEach(function (entry) {
      const key = entry[0], value = entry[1];
      if (value === null || value === undefined || value === false) return;
      if (key === "text") node.textContent = value;
      else if (key === "class") node.className = value;
      else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (key === "style") Object.assign(node.style, value);
      else node.setAttribute(key, value === true ? "" : value);
    });
    (children || []).forEach(function (child) { if (child) node.append(child); });
    return node;
  };

  app.shownArms = function () {
    const pair = app.data.pairs[app.state.pair];
    return pair ? [pair.arm, pair.baseline] : [app.data.arms[0].name];
  };
  // The arms whose maps are drawn: the chosen pair, or all of them with the pair first.
  app.mapArms = function () {
    const pair = app.shownArms();
    if (!app.state.allArms) return pair;
    return pair.concat(app.data.arms.map(function (one) { return one.name; }).filter(function (name) { return !pair.includes(name); }));
  };
  app.armLabel = function (arm) {
    const found = app.data.arms.find(function (one) { return one.name === arm; });
    return found ? found.label[app.lang()] || arm : arm;
  };
  app.colour = function (arm) {
    const found = app.data.arms.find(function (one) { return one.name === arm; });
    return found ? found.colour : "#888888";
  };

  app.bytes = function (text) {
    const raw = atob(text.trim());
    const out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) out[i] = raw.charCodeAt(i);
    return out;
  };
  app.unzip = async function (text) {
    if (typeof DecompressionStream === "undefined") throw new Error(app.t("no_stream"));
    const stream = new Blob([app.bytes(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  async function readBlock(id) {
    const node = document.getElementById(id);
    if (!node) return null;
    const bytes = await app.unzip(node.textContent);
    const view = new DataView(bytes.buffer);
    const length = view.getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const maps = {};
    let place = 4 + length;
    Object.entries(header.arms).forEach(function (entry) {
      const heads = entry[1], rows = heads * header.atoms;
      const scales = new Float32Array(rows);
      for (let i = 0; i < rows; i += 1) scales[i] = view.getUint16(place + 2 * i, true) / 65535;
      place += 2 * rows;
      maps[entry[0]] = { heads: heads, scales: scales, codes: bytes.subarray(place, place + rows * header.n_words) };
      place += rows * header.n_words;
    });
    return { header: header, maps: maps };
  }

  const cache = new Map();
  app.load = async function (index, run) {
    const key = index + ":" + run;
    if (cache.has(key)) return cache.get(key);
    const forward = await readBlock("map-" + index + (run ? "-run" + run : ""));
    if (!forward) return null;
    const back = run ? null : await readBlock("back-" + index);
    const header = forward.header;
    const crystal = {
      index: index, run: run, elements: header.elements, atoms: header.atoms, structure: header.structure,
      labelled: header.labelled, truncated: header.truncated,
      labels: header.elements.map(function (symbol, i) { return symbol + (i + 1); }),
      words: header.words.map(function (w) { return { text: w[0], special: w[1] === 1, space: w[2] === 1, category: w[3] }; }),
      maps: { atom_to_text: forward.maps, text_to_atom: back ? back.maps : null }, matrices: new Map(),
    };
    cache.set(key, crystal);
    if (cache.size > 40) cache.delete(cache.keys().next().value);
    return crystal;
  };

  // (atoms x words) of one arm and head (-1: the mean); without special tokens the atom's other weights sum to 1.
  app.matrix = function (crystal, arm, direction, head, special) {
    const key = [arm, direction, head, special].join("\u0000");
    if (crystal.matrices.has(key)) return crystal.matrices.get(key);
    const packed = (crystal.maps[direction] || {})[arm];
    if (!packed) return null;
    const rows = crystal.atoms, columns = crystal.words.length;
    const out = new Float32Array(rows * columns);
    const first = head < 0 ? 0 : head, last = head < 0 ? packed.heads - 1 : head;
    for (let h = first; h <= last; h += 1) {
      for (let a = 0; a < rows; a += 1) {
        const scale = packed.scales[h * rows + a] / (65025 * (last - first + 1));
        const from = (h * rows + a) * columns;
        for (let w = 0; w < columns; w += 1) { const c = packed.codes[from + w]; out[a * columns + w] += scale * c * c; }
      }
    }
    if (!special && direction === "atom_to_text") {
      for (let a = 0; a < rows; a += 1) {
        let kept = 0;
        for (let w = 0; w < columns; w += 1) if (!crystal.words[w].special) kept += out[a * columns + w];
        for (let w = 0; w < columns; w += 1) out[a * columns + w] = crystal.words[w].special || kept <= 0 ? 0 : out[a * columns + w] / kept;
      }
    }
    crystal.matrices.set(key, out);
    if (crystal.matrices.size > 60) crystal.matrices.delete(crystal.matrices.keys().next().value);
    return out;
  };

  app.columns = function (crystal) {
    const all = crystal.words.map(function (_, w) { return w; });
    return app.state.special ? all : all.filter(function (w) { return !crystal.words[w].special; });
  };

  // What the chosen atoms give each word: one row, or the mean of an element's or of all rows.
  app.profile = function (crystal, matrix) {
    const chosen = app.chosenAtoms(crystal), columns = crystal.words.length;
    const out = new Float32Array(columns);
    chosen.forEach(function (a) { for (let w = 0; w < columns; w += 1) out[w] += matrix[a * columns + w] / chosen.length; });
    return out;
  };
  app.chosenAtoms = function (crystal) {
    const choice = app.state.atoms;
    const all = crystal.elements.map(function (_, a) { return a; });
    if (choice.kind === "atom" && choice.index < all.length) return [choice.index];
    if (choice.kind === "element") {
      const found = all.filter(function (a) { return crystal.elements[a] === choice.symbol; });
      if (found.length) return found;
    }
    return all;
  };
})(window.crysmm);

// Atom x word maps on canvases: one scale for all arms, values on hover, arrow keys as well as the mouse.
(function (app) {
  "use strict";
  const LABELS = 84, TALLEST = 420, RATIO = function () { return window.devicePixelRatio || 1; };
  const panels = [];
  let cursor = null;

  // The scale's end: the highest word; special tokens set it only while they do not tower over the words.
  app.scale = function (crystal, matrices, columns) {
    let word = 0, special = 0;
    const total = crystal.words.length;
    matrices.forEach(function (m) {
      for (let a = 0; a < crystal.atoms; a += 1) {
        columns.forEach(function (w) {
          const v = m[a * total + w];
          if (crystal.words[w].special) special = Math.max(special, v); else word = Math.max(word, v);
        });
      }
    });
    const cut = word > 0 && special > 2 * word;
    return { max: (cut ? word : Math.max(word, special)) || 1, special: special, cut: cut };
  };

  app.drawMaps = function (crystal, holder) {
    const state = app.state, arms = app.mapArms(), columns = app.columns(crystal);
    const given = arms.map(function (arm) { return { arm: arm, matrix: app.matrix(crystal, arm, state.direction, state.head, state.special) }; })
      .filter(function (one) { return one.matrix; });
    const scale = app.scale(crystal, given.map(function (g) { return g.matrix; }), columns);
    const formula = app.data.crystals.formula[crystal.index];
    panels.length = 0;
    holder.replaceChildren();
    given.forEach(function (one) {
      panels.push({
        arm: one.arm, title: app.armLabel(one.arm), matrix: one.matrix,
        paint: function (v) { return app.viridis(app.bent(v / scale.max)); },
        label: app.t("map_label", { formula: formula, arm: app.armLabel(one.arm), atoms: crystal.atoms, words: columns.length }),
      });
    });
    let widest = 0;
    const pair = app.shownArms().map(app.armLabel);
    if (state.difference && given.length > 1 && given[0].arm === app.shownArms()[0] && given[1].arm === app.shownArms()[1]) {
      const difference = given[0].matrix.map(function (v, i) { return v - given[1].matrix[i]; });
      for (let a = 0; a < crystal.atoms; a += 1) columns.forEach(function (w) {
        if (!(scale.cut && crystal.words[w].special)) widest = Math.max(widest, Math.abs(difference[a * crystal.words.length + w]));
      });
      widest = widest || 1;
      panels.push({
        arm: null, title: app.t("minus", { arm: pair[0], baseline: pair[1] }), matrix: difference, difference: true,
        paint: function (v) { return app.diverging(app.bent(v / widest), arms[0], arms[1]); },
        label: app.t("difference_label", { formula: formula, arm: pair[0], baseline: pair[1] }),
      });
    }
    const room = app.paper || holder.clientWidth || 800;
    const gutter = 8 + 7 * Math.max.apply(null, crystal.labels.map(function (l) { return l.length; }));
    const fits = function (count) { return room >= count * (gutter + 10 * columns.length + 16); };
    const beside = !app.paper && (state.layout === "beside" || (state.layout === "auto" && given.length > 1 && fits(given.length)));
    const across = fits(panels.length) ? panels.length : Math.max(given.length, 1);
    holder.classList.toggle("beside", beside);
    holder.style.setProperty("--n", String(across));
    const row = Math.max(Math.min(18, Math.floor(TALLEST / crystal.atoms)), 2);
    if (app.paper) return { scale: scale, widest: widest, arms: arms, beside: false, crowded: onPaper(crystal, given, columns, holder, room - gutter, gutter, row) };
    const width = beside ? (room - 16 * (across - 1)) / across : room;
    const cell = Math.min(Math.max(Math.floor((width - gutter) / Math.max(columns.length, 1)), 7), 26) * state.zoom;
    const named = namedColumns(crystal, given, columns, cell);
    // Stacked maps share their columns, so the words stand once, below the last.
    panels.forEach(function (panel, n) {
      panel.named = named;
      panel.labels = beside || n === panels.length - 1 ? LABELS : 2;
      holder.append(build(crystal, panel, columns, gutter, cell, row));
    });
    return { scale: scale, widest: widest, arms: arms, beside: beside, crowded: named.size < columns.length };
  };

  // Paper does not scroll: up to four strips below each other, in which every word is named; of longer texts one strip.
  function onPaper(crystal, given, columns, holder, width, gutter, row) {
    const each = Math.floor(width / 13), strips = Math.ceil(columns.length / each), cut = strips > 4;
    const size = cut ? columns.length : Math.ceil(columns.length / strips);
    const cell = Math.min(width / Math.max(size, 1), 26), whole = panels.slice();
    panels.length = 0;
    for (let from = 0; from < columns.length; from += size) {
      const strip = columns.slice(from, from + size), named = namedColumns(crystal, given, strip, cell);
      whole.forEach(function (one, n) {
        const panel = Object.assign({}, one, { named: named, labels: n === whole.length - 1 ? LABELS : 2 });
        panels.push(panel);
        holder.append(build(crystal, panel, strip, gutter, cell, row));
      });
    }
    return cut;
  }

  // Columns whose words have room: those with the most attention first, none so near to another that they touch.
  function namedColumns(crystal, given, columns, cell) {
    const total = crystal.words.length, least = 12.5, weight = new Map();
    columns.forEach(function (w, c) {
      let most = 0;
      given.forEach(function (g) { let sum = 0; for (let a = 0; a < crystal.atoms; a += 1) sum += g.matrix[a * total + w]; most = Math.max(most, sum); });
      weight.set(c, most);
    });
    const ordered = columns.map(function (_, c) { return c; }).sort(function (a, b) { return weight.get(b) - weight.get(a) || a - b; });
    const taken = new Set(), reach = Math.ceil(least / cell) - 1;
    ordered.forEach(function (c) {
      for (let d = 1; d <= reach; d += 1) if (taken.has(c - d) || taken.has(c + d)) return;
      taken.add(c);
    });
    return taken;
  }

  function build(crystal, panel, columns, gutter, cell, row) {
    const left = app.element("canvas", { class: "gutter", "aria-hidden": "true" });
    const cells = app.element("canvas", { class: "cells", tabindex: "0", role: "img", "aria-label": panel.label });
    const scroll = app.element("div", { class: "map-scroll" }, [left, cells]);
    const title = app.element("figcaption", {}, [
      panel.arm ? app.element("span", { class: "swatch", style: { background: app.colour(panel.arm) }, "aria-hidden": "true" }) : null,
      document.createTextNode(panel.title),
    ]);
    Object.assign(panel, { crystal: crystal, columns: columns, cell: cell, row: row, left: left, cells: cells, scroll: scroll, gutter: gutter });
    size(left, gutter, row * crystal.atoms + panel.labels);
    size(cells, cell * columns.length + 1, row * crystal.atoms + panel.labels);
    draw(panel);
    listen(panel);
    return app.element("figure", { class: "map" }, [title, scroll]);
  }

  function size(canvas, width, height) {
    const ratio = Math.min(RATIO(), 16000 / Math.max(width, height));
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  function draw(panel) {
    const crystal = panel.crystal, columns = panel.columns, cell = panel.cell, row = panel.row, total = crystal.words.length;
    const pen = panel.cells.getContext("2d"), side = panel.left.getContext("2d");
    const ink = app.ink("--soft"), strong = app.ink("--ink"), back = app.ink("--card");
    const height = row * crystal.atoms;
    pen.clearRect(0, 0, cell * columns.length + 1, height + panel.labels);
    for (let a = 0; a < crystal.atoms; a += 1) {
      columns.forEach(function (w, c) {
        pen.fillStyle = panel.paint(panel.matrix[a * total + w]);
        pen.fillRect(c * cell, a * row, cell + 0.5, row + 0.5); // overlapping, or paper shows seams
      });
    }
    const font = "11px " + app.ink("--sans"), chosenAt = columns.indexOf(app.state.word), near = Math.ceil(12.5 / cell) - 1;
    pen.textBaseline = "middle";
    columns.forEach(function (w, c) {
      // a chosen word is always named, and its neighbours make room
      const crowded = chosenAt >= 0 && c !== chosenAt && Math.abs(c - chosenAt) <= near;
      if (panel.labels !== LABELS || (c !== chosenAt && (!panel.named.has(c) || crowded))) return;
      pen.save();
      pen.font = font;
      pen.translate(c * cell + cell / 2, height + 5);
      pen.rotate(Math.PI / 2);
      const chosen = app.state.word === w;
      pen.fillStyle = chosen ? strong : ink;
      if (chosen) pen.font = "bold " + pen.font;
      const text = crystal.words[w].text;
      pen.fillText(text.length > 13 ? text.slice(0, 12) + "\u2026" : text, 0, 0);
      pen.restore();
    });
    side.clearRect(0, 0, panel.gutter, height + panel.labels);
    side.fillStyle = back;
    side.fillRect(0, 0, panel.gutter, height + panel.labels);
    side.textAlign = "right";
    side.textBaseline = "middle";
    const chosen = new Set(app.state.atoms.kind === "all" ? [] : app.chosenAtoms(crystal));
    side.fillStyle = ink;
    side.font = "11px " + app.ink("--sans");
    if (row >= 10) {
      crystal.labels.forEach(function (label, a) {
        side.font = (chosen.has(a) ? "bold " : "") + "11px " + app.ink("--sans");
        side.fillStyle = chosen.has(a) ? strong : ink;
        side.fillText(label, panel.gutter - 5, a * row + row / 2);
      });
    } else {
      let from = 0;
      for (let a = 1; a <= crystal.atoms; a += 1) {
        if (a === crystal.atoms || crystal.elements[a] !== crystal.elements[from]) {
          if ((a - from) * row >= 11) side.fillText(crystal.elements[from], panel.gutter - 5, (from + a) * row / 2);
          from = a;
        }
      }
    }
    pen.strokeStyle = panel.difference ? strong : "#ffffff";
    pen.lineWidth = 1.5;
    chosen.forEach(function (a) { pen.strokeRect(0.75, a * row + 0.75, cell * columns.length - 1.5, row - 1.5); });
    const at = columns.indexOf(app.state.word);
    if (at >= 0) pen.strokeRect(at * cell + 0.5, 0.5, cell - 1, height - 1);
    if (cursor && cursor.panel === panel) { pen.lineWidth = 2; pen.strokeStyle = "#ff9500"; pen.strokeRect(cursor.column * cell + 1, cursor.atom * row + 1, cell - 2, row - 2); }
  }

  app.redrawMaps = function () { panels.forEach(draw); };

  function words(panel, atom, column) {
    const crystal = panel.crystal, w = panel.columns[column], at = atom * crystal.words.length + w;
    const lines = [[crystal.labels[atom] + (app.state.direction === "atom_to_text" ? " \u2192 " : " \u2190 ") + crystal.words[w].text, true]];
    panels.forEach(function (one) {
      lines.push([one.title + "  " + app.number(one.matrix[at], 4, one.difference), false]);
    });
    return lines;
  }

  function listen(panel) {
    const tip = document.getElementById("tip"), canvas = panel.cells;
    const place = function (event) {
      const box = canvas.getBoundingClientRect();
      return { atom: Math.floor((event.clientY - box.top) / panel.row), column: Math.floor((event.clientX - box.left) / panel.cell) };
    };
    const inside = function (p) { return p.column >= 0 && p.column < panel.columns.length; };
    canvas.addEventListener("mousemove", function (event) {
      const p = place(event);
      if (!inside(p)) { tip.hidden = true; return; }
      const lines = p.atom < panel.crystal.atoms ? words(panel, p.atom, p.column) : [[panel.crystal.words[panel.columns[p.column]].text, true]];
      app.showTip(lines, event.clientX, event.clientY);
    });
    canvas.addEventListener("mouseleave", function () { tip.hidden = true; });
    canvas.addEventListener("click", function (event) {
      const p = place(event);
      if (inside(p)) choose(panel, p.atom < panel.crystal.atoms ? p.atom : -1, p.column);
    });
    panel.left.addEventListener("click", function (event) {
      const atom = Math.floor((event.clientY - panel.left.getBoundingClientRect().top) / panel.row);
      if (atom < panel.crystal.atoms) choose(panel, atom, -1);
    });
    canvas.addEventListener("keydown", function (event) {
      const now = cursor && cursor.panel === panel ? cursor : { panel: panel, atom: 0, column: 0 };
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (step) {
        cursor = { panel: panel, atom: clamp(now.atom + step[0], panel.crystal.atoms), column: clamp(now.column + step[1], panel.columns.length) };
      } else if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose(panel, now.atom, now.column);
        return;
      } else if (event.key === "Escape") { cursor = null; tip.hidden = true; draw(panel); return; } else return;
      event.preventDefault();
      draw(panel);
      const box = canvas.getBoundingClientRect();
      panel.scroll.scrollLeft = Math.max(0, Math.min(panel.scroll.scrollLeft, cursor.column * panel.cell), cursor.column * panel.cell - panel.scroll.clientWidth + panel.gutter + 3 * panel.cell);
      const lines = words(panel, cursor.atom, cursor.column);
      app.showTip(lines, box.left + (cursor.column + 1) * panel.cell, box.top + (cursor.atom + 1) * panel.row);
      document.getElementById("live").textContent = lines.map(function (l) { return l[0]; }).join("; ");
    });
    canvas.addEventListener("blur", function () { if (cursor) { cursor = null; draw(panel); } tip.hidden = true; });
    panel.scroll.addEventListener("scroll", function () {
      panels.forEach(function (one) { if (one.scroll.scrollLeft !== panel.scroll.scrollLeft) one.scroll.scrollLeft = panel.scroll.scrollLeft; });
    });
  }

  function clamp(value, count) { return Math.min(Math.max(value, 0), count - 1); }
  function choose(panel, atom, column) {
    if (atom >= 0) app.state.atoms = { kind: "atom", index: atom };
    if (column >= 0) app.state.word = panel.columns[column];
    app.emit("selection");
  }

  app.showTip = function (lines, x, y) {
    const tip = document.getElementById("tip");
    tip.replaceChildren.apply(tip, lines.map(function (line) { return app.element(line[1] ? "b" : "div", { text: line[0] }); }));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, window.innerWidth - box.width - 8)) + "px";
    tip.style.top = Math.max(4, y + 18 + box.height > window.innerHeight ? y - box.height - 10 : y + 18) + "px";
  };

  app.legend = function (drawn) {
    const out = app.element("div", { class: "legend" });
    const strip = function (paint) {
      const canvas = app.element("canvas", { "aria-hidden": "true" });
      size(canvas, 120, 10);
      const pen = canvas.getContext("2d");
      for (let x = 0; x < 120; x += 1) { pen.fillStyle = paint(x / 119); pen.fillRect(x, 0, 1, 10); }
      return canvas;
    };
    const values = { max: app.number(drawn.scale.max, 3), special: app.number(drawn.scale.special, 3) };
    out.append(strip(app.viridis), app.element("span", { text: app.t(drawn.scale.cut ? "scale_cut" : "scale", values) }));
    if (drawn.widest) {
      out.append(strip(function (s) { return app.diverging(2 * s - 1, drawn.arms[0], drawn.arms[1]); }),
        app.element("span", { text: app.t("scale_difference", { arm: app.armLabel(drawn.arms[0]), baseline: app.armLabel(drawn.arms[1]), max: app.number(drawn.widest, 3) }) }));
    }
    return out;
  };
})(window.crysmm);

// The unit cell: what each atom gives the chosen word, as bars and on the atoms themselves; linked to maps and text.
(function (app) {
  "use strict";
  const view = { matrix: app.firstView(), zoom: 1, crystal: -1 };
  let shown = null;

  app.drawStructure = function (crystal, holder) {
    const state = app.state, word = app.wordShown(crystal), total = crystal.words.length;
    const given = app.mapArms().map(function (arm) {
      const matrix = app.matrix(crystal, arm, state.direction, state.head, state.special);
      return matrix && { arm: arm, values: crystal.labels.map(function (_, a) { return matrix[a * total + word]; }) };
    }).filter(Boolean);
    const top = Math.max.apply(null, given.map(function (g) { return Math.max.apply(null, g.values); }).concat([1e-9]));
    const key = state.direction === "atom_to_text" ? "top_atoms" : "top_atoms_back";
    const bars = holder.querySelector(".cell-bars"), three = holder.querySelector(".cell-three");
    bars.replaceChildren(
      app.element("h4", { id: "atoms-head", text: app.t(key, { word: crystal.words[word].text }) }),
      app.element("div", { class: "cell-grid" }, given.map(function (g) {
        const rows = crystal.labels.map(function (label, a) { return { text: label, value: g.values[a] }; })
          .sort(function (x, y) { return y.value - x.value; });
        const list = app.bars(rows, top, g.arm);
        if (rows.length > 10) { list.tabIndex = 0; list.setAttribute("role", "region"); list.setAttribute("aria-label", app.armLabel(g.arm)); }
        return app.element("div", {}, [app.heading(g.arm), list]);
      })));
    if (!crystal.structure) {
      shown = null;
      three.replaceChildren(app.element("p", { class: "note", text: app.t("no_structure") }));
      return;
    }
    if (view.crystal !== crystal.index) { view.crystal = crystal.index; view.matrix = app.firstView(); view.zoom = 1; }
    const had = document.activeElement && document.activeElement.classList.contains("cell-canvas") ? document.activeElement.dataset.arm : null;
    shown = { crystal: crystal, top: top, panels: [] };
    three.replaceChildren(
      app.element("div", { class: "cell-grid" }, given.map(function (g) { return panel(crystal, g, word, top); })),
      app.element("div", { class: "section-row" }, [
        app.element("p", { class: "note", text: app.t("structure_note", { max: app.number(top, 3) }) }),
        app.element("button", { type: "button", class: "copy", id: "reset-view", text: app.t("reset_view"), onclick: function () { view.matrix = app.firstView(); view.zoom = 1; paint(); } }),
      ]),
      app.element("p", { class: "cell-text", id: "cell-text", text: describe(crystal) }));
    paint();
    if (had) { const again = shown.panels.find(function (p) { return p.arm === had; }); if (again) again.canvas.focus({ preventScroll: true }); }
  };

  function panel(crystal, given, word, top) {
    const canvas = app.element("canvas", {
      class: "cell-canvas", tabindex: "0", role: "img", "data-arm": given.arm,
      "aria-label": app.t("structure") + ", " + app.armLabel(given.arm) + ": " + crystal.words[word].text + ". " + describe(crystal),
    });
    const one = { arm: given.arm, values: given.values, canvas: canvas, discs: [] };
    shown.panels.push(one);
    listen(one, crystal);
    return app.element("div", { class: "cell-panel" }, [app.heading(given.arm), canvas]);
  }

  function paint() {
    if (!shown) return;
    shown.panels.forEach(function (one) { one.discs = app.paintCell(shown.crystal, one.canvas, view, one.values, shown.top); });
    shown.panels.forEach(function (one) { one.canvas.dataset.ready = String(shown.crystal.index); });
  }

  function turn(dx, dy) {
    view.matrix = app.turned(app.turned(view.matrix, 1, dx), 0, dy);
    paint();
  }

  function at(one, event) {
    const box = one.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    for (let i = one.discs.length - 1; i >= 0; i -= 1) { const d = one.discs[i]; if (Math.hypot(d.x - x, d.y - y) <= Math.max(d.r, 7)) return d.atom; }
    return -1;
  }

  function listen(one, crystal) {
    const canvas = one.canvas, tip = document.getElementById("tip");
    let from = null, moved = 0;
    canvas.addEventListener("pointerdown", function (event) { from = [event.clientX, event.clientY]; moved = 0; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", function (event) {
      if (from) {
        const dx = event.clientX - from[0], dy = event.clientY - from[1];
        moved += Math.abs(dx) + Math.abs(dy);
        from = [event.clientX, event.clientY];
        if (moved > 4) { tip.hidden = true; turn(dx * 0.01, dy * 0.01); }
        return;
      }
      const atom = at(one, event);
      if (atom < 0) { tip.hidden = true; return; }
      const lines = [[crystal.labels[atom], true]];
      shown.panels.forEach(function (p) { lines.push([app.armLabel(p.arm) + "  " + app.number(p.values[atom], 4), false]); });
      app.showTip(lines, event.clientX, event.clientY);
    });
    canvas.addEventListener("pointerup", function (event) {
      const still = from && moved <= 4;
      from = null;
      if (!still) return;
      const atom = at(one, event), now = app.state.atoms;
      if (atom < 0) return;
      app.state.atoms = now.kind === "atom" && now.index === atom ? { kind: "all" } : { kind: "atom", index: atom };
      app.emit("selection");
    });
    canvas.addEventListener("pointercancel", function () { from = null; });
    canvas.addEventListener("pointerleave", function () { if (!from) tip.hidden = true; });
    canvas.addEventListener("keydown", function (event) {
      const step = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
      if (step) turn(step[0], step[1]);
      else if (event.key === "+" || event.key === "-") { view.zoom = Math.min(Math.max(view.zoom * (event.key === "+" ? 1.2 : 1 / 1.2), 0.5), 4); paint(); }
      else return;
      event.preventDefault();
    });
  }

  function describe(crystal) {
    const l = crystal.structure.lattice;
    const dot = function (u, v) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; };
    const size = l.map(function (v) { return Math.sqrt(dot(v, v)); });
    const angle = function (i, j) { return app.number(Math.acos(Math.min(Math.max(dot(l[i], l[j]) / (size[i] * size[j]), -1), 1)) * 180 / Math.PI, 1); };
    return app.t("cell_text", { a: app.number(size[0], 3), b: app.number(size[1], 3), c: app.number(size[2], 3), alpha: angle(1, 2), beta: angle(0, 2), gamma: angle(0, 1), n: crystal.atoms });
  }
})(window.crysmm);

// The unit cell: what each atom gives the chosen word as bars, and in three dimensions when the reader asks for it.
(function (app) {
  "use strict";
  let wanted = false, loading = null;

  app.drawStructure = function (crystal, holder) {
    const state = app.state, word = app.wordShown(crystal), total = crystal.words.length;
    const given = app.shownArms().map(function (arm) {
      const matrix = app.matrix(crystal, arm, state.direction, state.head, state.special);
      return matrix && { arm: arm, values: crystal.labels.map(function (_, a) { return matrix[a * total + word]; }) };
    }).filter(Boolean);
    const top = Math.max.apply(null, given.map(function (g) { return Math.max.apply(null, g.values); }).concat([1e-9]));
    const key = state.direction === "atom_to_text" ? "top_atoms" : "top_atoms_back";
    const parts = [
      app.element("h4", { id: "atoms-head", text: app.t(key, { word: crystal.words[word].text }) }),
      app.element("div", { class: "cell-grid" }, given.map(function (g) {
        const rows = crystal.labels.map(function (label, a) { return { text: label, value: g.values[a] }; })
          .sort(function (x, y) { return y.value - x.value; });
        const list = app.bars(rows, top, g.arm);
        if (rows.length > 10) { list.tabIndex = 0; list.setAttribute("aria-label", g.arm); }
        return app.element("div", {}, [app.heading(g.arm), list]);
      })),
    ];
    holder.querySelector(".cell-bars").replaceChildren.apply(holder.querySelector(".cell-bars"), parts);
    const three = holder.querySelector(".cell-three");
    if (!crystal.structure) {
      three.replaceChildren(app.element("p", { class: "note", text: app.t("no_structure") }));
      return;
    }
    if (wanted) { view(crystal, given, top, word, three); return; }
    three.replaceChildren(app.element("button", { type: "button", class: "button", id: "open-structure", text: app.t("structure_open"), onclick: function () {
      wanted = true;
      app.drawStructure(crystal, holder);
    } }));
  };

  function hasWebGL() {
    try {
      const canvas = document.createElement("canvas");
      return Boolean(window.WebGLRenderingContext && (canvas.getContext("webgl2") || canvas.getContext("webgl")));
    } catch (error) { return false; }
  }

  async function library() {
    if (window.Plotly) return;
    if (!loading) {
      loading = (async function () {
        const source = new TextDecoder().decode(await app.unzip(document.getElementById("viewer").textContent));
        document.head.append(app.element("script", { text: source }));
        if (!window.Plotly) throw new Error("the viewer did not start");
      })();
    }
    await loading;
  }

  async function view(crystal, given, top, word, three) {
    let box = three.querySelector(".viewer");
    if (!box) {
      box = app.element("div", { class: "viewer" });
      three.replaceChildren(
        app.element("div", { class: "section-row" }, [
          app.element("p", { class: "note", text: app.t("structure_note") }),
          app.element("button", { type: "button", class: "button", id: "close-structure", text: app.t("structure_close"), onclick: function () {
            wanted = false;
            if (window.Plotly) window.Plotly.purge(box);
            app.emit("selection");
            const opener = document.getElementById("open-structure");
            if (opener) opener.focus();
          } }),
        ]), box, app.element("p", { class: "cell-text", id: "cell-text", text: describe(crystal) }));
      box.textContent = app.t("structure_loading");
    }
    document.getElementById("cell-text").textContent = describe(crystal);
    if (!hasWebGL()) { fallback(crystal, box, app.t("no_webgl")); return; }
    try {
      await library();
      if (!document.body.contains(box)) return;
      if (box.firstChild && box.firstChild.nodeType === Node.TEXT_NODE) box.replaceChildren();
      await plot(crystal, given, top, word, box);
      box.dataset.ready = String(crystal.index);
    } catch (error) { fallback(crystal, box, app.t("no_webgl") + " (" + error.message + ")"); }
  }

  function fallback(crystal, box, reason) {
    box.dataset.ready = "text";
    const rows = crystal.labels.map(function (label, a) { return label + " (" + crystal.structure.frac[a].map(function (x) { return app.number(x, 3); }).join(", ") + ")"; });
    box.replaceChildren(app.element("p", { class: "cell-text", style: { padding: ".8rem 1rem", margin: "0" }, text: reason + " " + app.t("fractional") + ": " + rows.join("; ") }));
  }

  function cartesian(frac, lattice) {
    return [0, 1, 2].map(function (k) { return frac[0] * lattice[0][k] + frac[1] * lattice[1][k] + frac[2] * lattice[2][k]; });
  }
  // Atoms on a face of the cell are drawn on the opposite face too, as textbooks do.
  function images(frac) {
    let found = [frac.map(function (x) { return x - Math.floor(x + 1e-4); })];
    [0, 1, 2].forEach(function (k) {
      found.slice().forEach(function (f) { if (Math.abs(f[k]) < 0.02) { const g = f.slice(); g[k] += 1; found.push(g); } });
    });
    return found;
  }

  function plot(crystal, given, top, word, box) {
    const lattice = crystal.structure.lattice, traces = [], layout = { margin: { l: 0, r: 0, t: 30, b: 0 }, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", height: 340, annotations: [], font: { color: app.ink("--ink"), family: app.ink("--sans"), size: 12 } };
    const corner = function (i) { return cartesian([i & 1, (i >> 1) & 1, (i >> 2) & 1], lattice); };
    const edge = { x: [], y: [], z: [] };
    [[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7], [4, 5], [4, 6], [5, 7], [6, 7]].forEach(function (pair) {
      pair.forEach(function (i) { const p = corner(i); edge.x.push(p[0]); edge.y.push(p[1]); edge.z.push(p[2]); });
      edge.x.push(null); edge.y.push(null); edge.z.push(null);
    });
    const bare = { visible: false, showspikes: false };
    given.forEach(function (g, n) {
      const scene = "scene" + (n ? n + 1 : ""), at = { x: [], y: [], z: [], c: [], text: [], hover: [] };
      crystal.structure.frac.forEach(function (frac, a) {
        images(frac).forEach(function (f) {
          const p = cartesian(f, lattice);
          at.x.push(p[0]); at.y.push(p[1]); at.z.push(p[2]);
          at.c.push(g.values[a]);
          at.text.push(crystal.atoms > 40 ? "" : crystal.elements[a]);
          at.hover.push(crystal.labels[a] + "  " + app.number(g.values[a], 4));
        });
      });
      traces.push({ type: "scatter3d", mode: "lines", scene: scene, x: edge.x, y: edge.y, z: edge.z, hoverinfo: "skip", line: { color: app.ink("--line-strong"), width: 2 } });
      traces.push({
        type: "scatter3d", mode: "markers+text", scene: scene, x: at.x, y: at.y, z: at.z, text: at.text, hovertext: at.hover, hoverinfo: "text",
        textposition: "top center", textfont: { size: 11, color: app.ink("--soft") },
        marker: { size: crystal.atoms > 60 ? 7 : 13, color: at.c, cmin: 0, cmax: top, colorscale: [0, 0.25, 0.5, 0.75, 1].map(function (s) { return [s, app.viridis(s)]; }), line: { width: 1, color: app.ink("--line-strong") }, opacity: 1, showscale: n === given.length - 1, colorbar: { thickness: 9, len: 0.8, x: 1, outlinewidth: 0, tickfont: { size: 10 } } },
      });
      layout[scene] = { domain: { x: [n / given.length, (n + 1) / given.length - 0.01], y: [0, 1] }, aspectmode: "data", xaxis: bare, yaxis: bare, zaxis: bare, bgcolor: "rgba(0,0,0,0)", camera: { eye: { x: 1.5, y: 1.25, z: 0.9 }, projection: { type: "orthographic" } } };
      layout.annotations.push({ text: plain(g.arm), x: n / given.length + 0.015, y: 1, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false });
    });
    layout.uirevision = String(crystal.index);
    const done = window.Plotly.react(box, traces, layout, { displayModeBar: false, responsive: true, displaylogo: false });
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", app.t("structure") + ": " + crystal.words[word].text + ". " + describe(crystal));
    return done.then(function () {
      if (box.dataset.paired) return;
      box.dataset.paired = "yes";
      let busy = false;
      box.on("plotly_relayout", function (change) {
        if (busy) return;
        const moved = ["scene", "scene2"].find(function (s) { return change[s + ".camera"]; });
        const other = moved === "scene" ? "scene2" : "scene";
        if (!moved || !box.layout[other]) return;
        busy = true;
        window.Plotly.relayout(box, { [other + ".camera"]: change[moved + ".camera"] }).then(function () { busy = false; });
      });
    });
  }
  // Plotly reads a few tags in its own texts.
  function plain(text) { return text.replace(/</g, "\u2039").replace(/>/g, "\u203a"); }

  function describe(crystal) {
    const l = crystal.structure.lattice;
    const dot = function (u, v) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; };
    const size = l.map(function (v) { return Math.sqrt(dot(v, v)); });
    const angle = function (i, j) { return app.number(Math.acos(Math.min(Math.max(dot(l[i], l[j]) / (size[i] * size[j]), -1), 1)) * 180 / Math.PI, 1); };
    return app.t("cell_text", { a: app.number(size[0], 3), b: app.number(size[1], 3), c: app.number(size[2], 3), alpha: angle(1, 2), beta: angle(0, 2), gamma: angle(0, 1), n: crystal.atoms });
  }
})(window.crysmm);

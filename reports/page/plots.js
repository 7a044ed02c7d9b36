// Figures: a dot chooses its crystal, a line drawn around dots filters the list; figures and the result can be saved.
(function (app) {
  "use strict";
  const plots = [], NEAR = 9, crystals = app.data.crystals;

  app.startPlots = function () {
    document.querySelectorAll(".plot[data-dots]").forEach(function (node) { plots.push(prepare(node)); });
    app.on("view", mark);
    app.on("lasso", mark);
    app.on("lang", function () { setTimeout(mark, 0); });
    mark();
  };

  function prepare(node) {
    const plot = { node: node, inner: node.querySelector(".plot-in"), figure: Number(node.dataset.figure), dots: null, waiting: null };
    plot.layer = app.element("div", { class: "plot-layer", "aria-hidden": "true" });
    plot.inner.append(plot.layer);
    listen(plot);
    return plot;
  }

  // x, y as shares of the drawing, and the crystal's number on the page.
  async function dots(plot) {
    if (plot.dots) return plot.dots;
    if (!plot.waiting) {
      plot.waiting = app.unzip(document.getElementById(plot.node.dataset.dots).textContent).then(function (bytes) {
        const count = bytes.length / 8, view = new DataView(bytes.buffer, bytes.byteOffset);
        const found = { x: new Float32Array(count), y: new Float32Array(count), row: new Uint32Array(count) };
        for (let i = 0; i < count; i += 1) {
          found.x[i] = view.getUint16(2 * i, true) / 65535;
          found.y[i] = view.getUint16(2 * (count + i), true) / 65535;
          found.row[i] = view.getUint32(4 * count + 4 * i, true);
        }
        plot.dots = found;
        return found;
      });
    }
    return plot.waiting;
  }

  function place(plot, event) {
    const box = plot.inner.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, width: box.width, height: box.height };
  }
  function nearest(plot, at, reach) {
    const d = plot.dots;
    let best = -1, least = reach * reach;
    if (d) for (let i = 0; i < d.row.length; i += 1) {
      const dx = d.x[i] * at.width - at.x, dy = d.y[i] * at.height - at.y, away = dx * dx + dy * dy;
      if (away < least) { least = away; best = i; }
    }
    return best;
  }
  function inside(path, x, y) {
    let odd = false;
    for (let i = 0, j = path.length - 1; i < path.length; j = i, i += 1) {
      const a = path[i], b = path[j];
      if ((a[1] > y) !== (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]) odd = !odd;
    }
    return odd;
  }

  function listen(plot) {
    const inner = plot.inner, tip = document.getElementById("tip");
    let path = null, line = null, start = null;
    inner.addEventListener("pointerenter", function () { dots(plot).then(mark); });
    inner.addEventListener("pointerdown", function (event) {
      if (event.button !== 0) return;
      dots(plot);
      const at = place(plot, event);
      start = [at.x, at.y];
      // a finger scrolls; mouse and pen draw
      path = event.pointerType === "touch" ? null : [start];
      if (path) inner.setPointerCapture(event.pointerId);
    });
    inner.addEventListener("pointermove", function (event) {
      const at = place(plot, event);
      if (path && (line || Math.hypot(at.x - start[0], at.y - start[1]) > 6)) {
        event.preventDefault();
        path.push([at.x, at.y]);
        if (!line) {
          line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
          line.setAttribute("class", "lasso");
          line.append(document.createElementNS("http://www.w3.org/2000/svg", "polygon"));
          inner.append(line);
        }
        line.firstChild.setAttribute("points", path.map(function (p) { return p[0].toFixed(1) + "," + p[1].toFixed(1); }).join(" "));
        tip.hidden = true;
        return;
      }
      const found = nearest(plot, at, NEAR);
      inner.classList.toggle("on-dot", found >= 0);
      if (found < 0) { tip.hidden = true; return; }
      app.showTip([[name(plot.dots.row[found]), true]], event.clientX, event.clientY);
    });
    inner.addEventListener("pointerleave", function () { tip.hidden = true; inner.classList.remove("on-dot"); });
    inner.addEventListener("pointercancel", function () { path = start = null; if (line) line.remove(); line = null; });
    inner.addEventListener("pointerup", function (event) {
      const drawn = path, was = start, at = place(plot, event);
      path = start = null;
      if (line) {
        line.remove();
        line = null;
        dots(plot).then(function (d) { enclose(plot, d, drawn, at); });
      } else if (was && Math.hypot(at.x - was[0], at.y - was[1]) < 10) {
        dots(plot).then(function (d) {
          const found = nearest(plot, at, event.pointerType === "touch" ? 22 : NEAR);
          if (found >= 0) pick(plot, d.row[found]);
        });
      }
    });
  }

  function name(row) { return (crystals.formula[row] ? crystals.formula[row] + "  " : "") + crystals.id[row]; }

  function enclose(plot, d, path, at) {
    const chosen = new Set();
    for (let i = 0; i < d.row.length; i += 1) if (inside(path, d.x[i] * at.width, d.y[i] * at.height)) chosen.add(d.row[i]);
    if (!chosen.size) { say(plot, app.t("lasso_empty"), false); return; }
    app.setLasso(chosen, plot.figure);
    say(plot, app.t("lasso_filter", { n: chosen.size, figure: plot.figure }) + ".", true);
  }

  function pick(plot, row) {
    app.choose(row).then(function () { app.showInList(row); });
    say(plot, app.t("dot_chosen", { name: name(row) }), true);
  }

  function say(plot, text, linked) {
    const status = document.querySelector("#figure-" + plot.figure + " .plot-status");
    status.hidden = false;
    status.replaceChildren(document.createTextNode(text + " "));
    if (linked) status.append(app.element("button", { type: "button", class: "copy to-maps", text: app.t("to_maps"), onclick: function () {
      document.getElementById("crystals").scrollIntoView();
      const row = document.querySelector('.grid-row[tabindex="0"]');
      if (row) row.focus({ preventScroll: true });
    } }));
  }

  // Rings around the chosen crystal and around those a line encloses, in every figure that is unpacked.
  function mark() {
    plots.forEach(function (plot) {
      if (!plot.node.offsetParent) return;
      const lasso = app.state.lasso;
      if (!plot.dots) { if (inView(plot.node)) dots(plot).then(mark); return; }
      const rings = [], d = plot.dots;
      for (let i = 0; i < d.row.length && rings.length < 900; i += 1) {
        const here = d.row[i] === app.state.crystal, within = lasso && lasso.has(d.row[i]);
        if (here || within) rings.push(app.element("i", { class: here ? "ring here" : "ring", style: { left: 100 * d.x[i] + "%", top: 100 * d.y[i] + "%" } }));
      }
      plot.layer.replaceChildren.apply(plot.layer, rings);
    });
  }
  function inView(node) { const box = node.getBoundingClientRect(); return box.bottom > -600 && box.top < window.innerHeight + 600; }
  let scrolled = 0;
  window.addEventListener("scroll", function () { clearTimeout(scrolled); scrolled = setTimeout(mark, 150); }, { passive: true });

  // What is saved is drawn for paper: the light theme's ink, whatever the page shows.
  const PAPER = { "--ink": "#000000", "--soft": "#6b6b6b", "--line-strong": "#bdbdbd", "--band": "#e4e4e4", "--card": "#ffffff" };
  app.save = async function (button) {
    if (button.dataset.save === "result") {
      hand(new Blob([await app.unzip(document.getElementById("result-file").textContent)], { type: "application/json" }), "result.json");
      return;
    }
    const number = button.dataset.figure, nodes = Array.from(document.querySelectorAll('.plot[data-figure="' + number + '"]'));
    const node = nodes.find(function (n) { return n.lang === app.lang(); }) || nodes[0];
    const copy = node.querySelector("svg").cloneNode(true), size = copy.viewBox.baseVal;
    copy.setAttribute("width", size.width + "pt");
    copy.setAttribute("height", size.height + "pt");
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const text = new XMLSerializer().serializeToString(copy).replace(/var\((--[a-z-]+)\)/g, function (whole, key) { return PAPER[key] || "#000000"; });
    const blob = new Blob([text], { type: "image/svg+xml" }), stem = node.dataset.name;
    if (button.dataset.save === "svg") { hand(blob, stem + ".svg"); return; }
    const image = new Image();
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
    await image.decode();
    const canvas = document.createElement("canvas"), ratio = 300 / 72;
    canvas.width = Math.round(size.width * ratio);
    canvas.height = Math.round(size.height * ratio);
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(function (made) { hand(made, stem + ".png"); }, "image/png");
  };
  function hand(blob, file) {
    const link = app.element("a", { href: URL.createObjectURL(blob), download: file });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }
})(window.crysmm);

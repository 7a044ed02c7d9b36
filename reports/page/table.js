// The list of crystals: searched, sorted, drawn only where it is seen, moved through with the arrow keys.
(function (app) {
  "use strict";
  const ROW = 46, HEAD = 28, crystals = app.data.crystals;
  const elements = crystals.elements.map(function (list) { return new Set(list); });
  const known = new Set([].concat.apply([], crystals.elements));
  let order = [], list, space, head;

  function value(arm, i) {
    const metric = app.data.metrics[app.state.metric];
    return metric ? crystals.values[metric.name][arm][i] : null;
  }
  app.change = function (i) {
    const arms = app.shownArms(), a = value(arms[0], i), b = arms[1] === undefined ? 0 : value(arms[1], i);
    return a === null || b === null ? null : a - b;
  };
  app.errorChange = function (i) {
    const arms = app.shownArms(), a = crystals.error[arms[0]][i], b = arms[1] === undefined ? 0 : crystals.error[arms[1]][i];
    return a === null || b === null ? null : a - b;
  };

  // Descriptions for the search: unpacked once, soon after the page is there.
  let descriptions = null;
  app.loadDescriptions = async function () {
    const node = document.getElementById("descriptions");
    if (!node || descriptions) return;
    try {
      const texts = JSON.parse(new TextDecoder().decode(await app.unzip(node.textContent)));
      descriptions = texts.map(function (text) { return " " + plain(text); });
    } catch (error) { descriptions = []; }
    if (document.getElementById("search").value) app.refreshList();
  };
  // Lower case; a bar above a figure is a minus before it, as in Fm-3m.
  function plain(text) { return text.toLowerCase().replace(/(\d)[\u0304\u0305]/g, "-$1").replace(/[\u2010-\u2212]/g, "-"); }

  // Every term must match: an element's exact symbol the composition, a space group its whole name, anything else a part
  // of id or formula or, from three letters on, the beginning of a word of the description; words in quotes stay together.
  app.matches = function (query) {
    const terms = (query.match(/"[^"]+"|[^\s,，、"]+/g) || []).map(function (term) { return term.replace(/"/g, "").trim(); }).filter(Boolean);
    const groups = crystals.group.map(plain);
    return crystals.id.map(function (_, i) { return i; }).filter(function (i) {
      if (app.state.lasso && !app.state.lasso.has(i)) return false;
      const id = crystals.id[i].toLowerCase(), formula = crystals.formula[i].toLowerCase();
      return terms.every(function (term) {
        if (known.has(term)) return elements[i].has(term);
        const low = plain(term);
        if (id.includes(low) || formula.includes(low) || (groups[i] && groups[i] === low)) return true;
        if (low.length < 3 || !descriptions || !descriptions[i]) return false;
        const text = descriptions[i];
        for (let at = text.indexOf(low); at >= 0; at = text.indexOf(low, at + 1)) if (!/[\p{L}\p{N}]/u.test(text[at - 1])) return true;
        return false;
      });
    });
  };

  const size = function (v) { return v === null ? -1 : Math.abs(v); };
  const low = function (v) { return v === null ? Infinity : v; };
  const sorts = {
    size: function (i, j) { return size(app.change(j)) - size(app.change(i)); },
    down: function (i, j) { return low(app.change(i)) - low(app.change(j)); },
    up: function (i, j) { return low(-app.change(i)) - low(-app.change(j)); },
    error: function (i, j) { return size(app.errorChange(j)) - size(app.errorChange(i)); },
    id: function (i, j) { return crystals.id[i].localeCompare(crystals.id[j], "en", { numeric: true }); },
    formula: function (i, j) { return crystals.formula[i].localeCompare(crystals.formula[j], "en"); },
  };
  sorts.high = sorts.up; sorts.low = sorts.down;
  const finite = function (f) { return function (i, j) { const d = f(i, j); return Number.isFinite(d) ? d || i - j : i - j; }; };

  app.refreshList = function (keepPlace) {
    const query = document.getElementById("search").value;
    order = app.matches(query).sort(finite(sorts[document.getElementById("sort").value] || sorts.id));
    const total = crystals.id.length;
    document.getElementById("found").textContent = order.length ? app.t("found", { shown: order.length, total: total }) : app.t("none_found");
    space.style.height = order.length * ROW + "px";
    list.setAttribute("aria-rowcount", String(order.length + 1));
    if (!keepPlace) list.scrollTop = 0;
    lassoLine();
    header();
    drawRows();
  };
  function lassoLine() {
    const line = document.getElementById("lasso"), lasso = app.state.lasso;
    line.hidden = !lasso;
    if (!lasso) { line.replaceChildren(); return; }
    line.replaceChildren(
      document.createTextNode(app.t("lasso_filter", { n: lasso.size, figure: app.state.lassoFigure }) + " "),
      app.element("button", { type: "button", class: "copy", id: "lasso-clear", text: app.t("lasso_clear"), onclick: function () {
        app.setLasso(null, 0);
        document.getElementById("search").focus();
      } }));
  }
  app.setLasso = function (chosen, figure) {
    app.state.lasso = chosen;
    app.state.lassoFigure = figure;
    app.refreshList();
    app.emit("lasso");
  };

  function header() {
    const single = app.shownArms().length < 2, metric = app.data.metrics[app.state.metric];
    const bracket = function (unit) { return unit ? " [" + unit + "]" : ""; }, unit = bracket(app.data.unit[app.lang()]);
    const texts = [app.t("column_crystal"), app.t(single ? "column_value" : "column_change"), app.t(single ? "column_abs_error" : "column_error")];
    head.replaceChildren.apply(head, texts.map(function (text, k) {
      return app.element("span", { role: "columnheader", text: text, title: k === 1 && metric ? metric.label[app.lang()] + bracket(metric.unit[app.lang()]) : k === 2 ? text + unit : null });
    }));
  }

  function drawRows() {
    const had = document.activeElement && document.activeElement.classList.contains("grid-row");
    const from = Math.max(0, Math.floor((list.scrollTop - HEAD) / ROW) - 6);
    const to = Math.min(order.length, from + Math.ceil((list.clientHeight || 600) / ROW) + 14);
    const chosen = order.indexOf(app.state.crystal), focus = chosen >= from && chosen < to ? chosen : from;
    const rows = [];
    for (let k = from; k < to; k += 1) {
      const i = order[k], change = app.change(i), single = app.shownArms().length < 2;
      const row = app.element("div", {
        class: "grid-row", role: "row", tabindex: k === focus ? "0" : "-1", "aria-rowindex": k + 2, "aria-selected": String(i === app.state.crystal), "data-k": k, style: { top: k * ROW + "px" },
      }, [
        app.element("span", { class: crystals.map[i] ? "name" : "name mapless", role: "gridcell" }, [
          app.element("b", { text: crystals.formula[i] || crystals.id[i], title: crystals.formula[i] }),
          app.element("span", { title: crystals.id[i] }, [
            app.element("span", { class: "row-id", text: crystals.id[i] }),
            crystals.group[i] ? document.createTextNode(" \u00b7 " + crystals.group[i]) : null,
            crystals.map[i] ? null : document.createTextNode(" \u00b7 " + app.t("no_map_mark")),
          ]),
        ]),
        app.element("span", { role: "gridcell", text: app.short(change, !single) }),
        app.element("span", { role: "gridcell", text: app.short(app.errorChange(i), !single) }),
      ]);
      rows.push(row);
    }
    space.replaceChildren.apply(space, rows);
    if (had) { const again = space.querySelector('[tabindex="0"]'); if (again) again.focus({ preventScroll: true }); }
  }
  app.redrawList = drawRows;

  function move(to) {
    const k = Math.min(Math.max(to, 0), order.length - 1);
    if (k < 0) return;
    app.choose(order[k]);
    const top = k * ROW, room = list.clientHeight - HEAD;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + room) list.scrollTop = top + ROW - room;
    drawRows();
    const row = space.querySelector('[data-k="' + k + '"]');
    if (row) row.focus({ preventScroll: true });
  }

  // Bring a crystal that was chosen elsewhere into sight.
  app.showInList = function (index) {
    const k = order.indexOf(index);
    if (k >= 0) list.scrollTop = Math.max(0, k * ROW - (list.clientHeight - HEAD) / 2);
    drawRows();
  };

  app.startList = function () {
    list = document.getElementById("list");
    head = app.element("div", { class: "grid-head", role: "row", "aria-rowindex": 1 });
    space = app.element("div", { class: "grid-space", role: "rowgroup" });
    list.setAttribute("role", "grid");
    list.dataset.label = "list_of_crystals";
    list.append(app.element("div", { role: "rowgroup", style: { position: "sticky", top: "0", zIndex: "2" } }, [head]), space);
    let waiting = false;
    list.addEventListener("scroll", function () {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(function () { waiting = false; drawRows(); });
    });
    space.addEventListener("click", function (event) { const row = event.target.closest(".grid-row"); if (row) move(Number(row.dataset.k)); });
    space.addEventListener("keydown", function (event) {
      const row = event.target.closest(".grid-row");
      if (!row) return;
      const k = Number(row.dataset.k), page = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
      const to = { ArrowDown: k + 1, ArrowUp: k - 1, PageDown: k + page, PageUp: k - page, Home: 0, End: order.length - 1, Enter: k, " ": k }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      move(to);
    });
    document.getElementById("search").addEventListener("input", function () { app.refreshList(); });
    document.getElementById("search").addEventListener("keydown", function (event) {
      if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); move(0); }
    });
    document.getElementById("sort").addEventListener("change", function () { app.refreshList(); });
    document.getElementById("metric").addEventListener("change", function (event) { app.state.metric = Number(event.target.value); app.refreshList(); });
  };

  app.fillSelects = function () {
    const single = app.shownArms().length < 2;
    const metric = document.getElementById("metric"), sort = document.getElementById("sort"), kept = sort.value;
    metric.replaceChildren.apply(metric, app.data.metrics.map(function (m, k) { return app.element("option", { value: k, text: m.label[app.lang()], selected: k === app.state.metric }); }));
    const keys = single ? ["high", "low", "error", "id", "formula"] : ["size", "down", "up", "error", "id", "formula"];
    sort.replaceChildren.apply(sort, keys.map(function (key) { return app.element("option", { value: key, text: app.t("sort_" + key), selected: key === kept }); }));
  };
  app.firstListed = function () {
    const kept = order.filter(function (i) { return crystals.map[i]; });
    return kept.length ? kept[0] : order.length ? order[0] : -1;
  };
})(window.crysmm);

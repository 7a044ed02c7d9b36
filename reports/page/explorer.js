// The stage beside the list: one crystal's numbers, controls, maps, texts and cell.
(function (app) {
  "use strict";
  const crystals = app.data.crystals;
  app.current = null;
  let places = null, turn = 0;

  app.choose = async function (index, options) {
    app.state.crystal = index;
    const mine = turn += 1, stage = document.getElementById("stage");
    let crystal = null, reason = "";
    try { 
      if (app.state.run >= crystals.runs[index]) app.state.run = 0;
      crystal = crystals.map[index] ? await app.load(index, app.state.run) : null;
    } catch (error) { reason = error.message; }
    if (mine !== turn) return;
    const same = app.current && crystal && app.current.index === crystal.index;
    app.current = crystal;
    if (!same && !(options && options.keep)) { app.state.atoms = { kind: "all" }; app.state.word = -1; }
    if (!crystal) {
      places = null;
      const text = reason ? app.t("damaged", { reason: reason }) : app.t("no_map");
      stage.replaceChildren(app.element("div", { class: "box" }, [title(index), numbers(index), app.element("p", { class: "note", text: text })]));
      app.emit("view");
      return;
    }
    const heads = crystalHeads(crystal);
    if (app.state.head >= heads) app.state.head = -1;
    if (app.state.direction === "text_to_atom" && !crystal.maps.text_to_atom) app.state.direction = "atom_to_text";
    build(crystal, stage);
    document.getElementById("live").textContent = crystals.formula[index] + " " + crystals.id[index];
  };

  function crystalHeads(crystal) {
    const maps = crystal.maps[app.state.direction] || crystal.maps.atom_to_text;
    return Math.min.apply(null, app.mapArms().filter(function (a) { return maps[a]; }).map(function (a) { return maps[a].heads; }).concat([64]));
  }

  function title(index) {
    return app.element("div", { class: "crystal-head" }, [
      app.element("h3", { text: crystals.formula[index] || crystals.id[index] }),
      app.element("span", { class: "id", text: crystals.id[index] }),
      crystals.group[index] ? app.element("span", { class: "group", text: crystals.group[index] }) : null,
      app.element("button", { type: "button", class: "copy link", id: "copy-link", text: app.t("copy_link"), onclick: app.copyLink }),
    ]);
  }
  function numbers(index) {
    const named = app.data.unit[app.lang()], unit = named ? " " + named : "", metric = app.data.metrics[app.state.metric];
    const arms = app.shownArms(), parts = [];
    if (crystals.target[index] !== null) parts.push(app.t("target") + " " + app.short(crystals.target[index]) + unit);
    arms.forEach(function (arm) {
      const bits = [];
      if (crystals.prediction[arm][index] !== null) bits.push(app.t("prediction") + " " + app.short(crystals.prediction[arm][index]) + unit);
      if (metric && crystals.values[metric.name][arm][index] !== null) bits.push(metric.label[app.lang()].toLowerCase() + " " + app.short(crystals.values[metric.name][arm][index]));
      if (bits.length) parts.push(app.armLabel(arm) + app.mark("colon") + bits.join(app.mark("comma")));
    });
    return app.element("p", { class: "crystal-numbers" }, parts.map(function (text) { return app.element("span", { text: text }); }));
  }

  function segments(key, choices, now, act) {
    const group = app.element("div", { class: "segments", role: "group", "aria-label": app.t(key) }, choices.map(function (choice) {
      return app.element("button", { type: "button", text: choice[1], "data-value": choice[0], "aria-pressed": String(choice[0] === now), onclick: function () {
        group.querySelectorAll("button").forEach(function (b) { b.setAttribute("aria-pressed", String(b.dataset.value === String(choice[0]))); });
        act(choice[0]);
      } });
    }));
    return app.element("div", { class: "control", "data-control": key }, [app.element("span", { text: app.t(key) }), group]);
  }
  function toggle(key, now, act) {
    const input = app.element("input", { type: "checkbox", checked: now, id: "switch-" + key, onchange: function () { act(input.checked); } });
    return app.element("label", { class: "toggle" }, [input, app.element("span", { text: app.t(key) })]);
  }

  function build(crystal, stage) {
    const state = app.state, heads = crystalHeads(crystal);
    places = {
      maps: app.element("div", { class: "maps" }), legend: app.element("div"), headNote: app.element("p", { class: "note", role: "status" }),
      chips: app.element("div", { class: "chips", role: "group", "aria-label": app.t("choose_atoms") }), lead: app.element("p", { class: "note" }),
      texts: app.element("div", { class: "texts" }),
      cell: app.element("div", { class: "box", id: "cell" }, [app.element("div", { class: "cell-bars" }), app.element("div", { class: "cell-three", style: { marginTop: "1rem" } })]),
      mapsTitle: app.element("h4", {}),
    };
    const redraw = function () { draw(); };
    const controls = app.element("div", { class: "controls" }, [
      heads > 1 ? segments("head", [[-1, app.t("head_mean")]].concat(Array.from({ length: heads }, function (_, h) { return [h, String(h + 1)]; })), state.head, function (h) { state.head = h; redraw(); }) : null,
      toggle("special", state.special, function (on) { state.special = on; redraw(); }),
      app.shownArms().length > 1 ? toggle("difference", state.difference, function (on) { state.difference = on; redraw(); }) : null,
      crystal.maps.text_to_atom ? segments("direction", [["atom_to_text", app.t("atom_to_text")], ["text_to_atom", app.t("text_to_atom")]], state.direction, function (d) { state.direction = d; redraw(); }) : null,
      segments("colour_scale", [["linear", app.t("scale_linear")], ["root", app.t("scale_root")]], state.scale, function (s) { state.scale = s; redraw(); }),
      crystals.runs[crystal.index] > 1 ? segments("run_number", Array.from({ length: crystals.runs[crystal.index] }, function (_, r) { return [r, String(r + 1)]; }), state.run, function (r) { state.run = r; app.rebuildStage(); }) : null,
      app.data.arms.length > 2 ? toggle("all_arms", state.allArms, function (on) { state.allArms = on; redraw(); }) : null,
      zoom(redraw),
      app.shownArms().length > 1 ? segments("layout", [["stacked", app.t("layout_stacked")], ["beside", app.t("layout_beside")]], state.layout, function (l) { state.layout = l; redraw(); }) : null,
    ]);
    places.controls = controls;
    chips(crystal);
    stage.replaceChildren(
      app.element("div", { class: "box" }, [
        title(crystal.index), numbers(crystal.index), controls, places.mapsTitle, places.maps, places.legend, places.headNote,
      ]),
      app.element("div", { class: "box" }, [
        app.element("h4", { text: app.t("description") }), places.chips, places.lead,
        crystal.labelled ? null : app.element("p", { class: "note", text: app.t("no_tokens") }),
        crystal.truncated ? app.element("p", { class: "note", text: app.t("truncated") }) : null,
        places.texts,
      ]),
      places.cell,
    );
    draw();
  }

  function zoom(redraw) {
    const step = function (key, sign, factor) {
      return app.element("button", { type: "button", text: sign, "aria-label": app.t(key), title: app.t(key), "data-zoom": key, onclick: function () {
        app.state.zoom = Math.min(Math.max(app.state.zoom * factor, 1), 4);
        redraw();
      } });
    };
    return app.element("div", { class: "control", "data-control": "zoom" }, [
      app.element("span", { text: app.t("zoom") }),
      app.element("div", { class: "segments", role: "group", "aria-label": app.t("zoom") }, [step("zoom_out", "\u2212", 1 / 1.4142), step("zoom_in", "+", 1.4142)]),
    ]);
  }

  function chips(crystal) {
    const add = function (text, choice, kind) {
      places.chips.append(app.element("button", { type: "button", class: "chip " + kind, text: text, "data-choice": JSON.stringify(choice), "aria-pressed": "false", onclick: function () {
        app.state.atoms = same(app.state.atoms, choice) ? { kind: "all" } : choice;
        app.emit("selection");
      } }));
    };
    add(app.t("all_atoms"), { kind: "all" }, "all");
    const counts = new Map();
    crystal.elements.forEach(function (e) { counts.set(e, (counts.get(e) || 0) + 1); });
    counts.forEach(function (n, e) { if (n > 1) add(e + " \u00d7" + n, { kind: "element", symbol: e }, "element"); });
    crystal.labels.forEach(function (label, a) { add(label, { kind: "atom", index: a }, "atom"); });
  }
  function same(a, b) { return a.kind === b.kind && a.index === b.index && a.symbol === b.symbol; }

  function draw() {
    const crystal = app.current, state = app.state;
    if (!crystal || !places) return;
    places.mapsTitle.textContent = app.t("maps_of", { direction: app.t(state.direction) });
    const drawn = app.drawMaps(crystal, places.maps);
    places.controls.querySelectorAll("[data-control=layout] button").forEach(function (b) {
      b.setAttribute("aria-pressed", String((b.dataset.value === "beside") === drawn.beside));
    });
    places.legend.replaceChildren(app.legend(drawn));
    const remarks = [];
    if (state.run > 0) remarks.push(app.t("run_note", { n: state.run + 1 }));
    if (drawn.crowded) remarks.push(app.t(app.paper ? "labels_on_paper" : "labels_left_out"));
    if (state.scale === "root") remarks.push(app.t("root_note"));
    if (state.head >= 0 && app.shownArms().length > 1) remarks.push(app.t("head_note", { h: state.head + 1 }));
    if (!state.special && state.direction === "atom_to_text") remarks.push(app.t("special_off_note"));
    places.headNote.textContent = remarks.join(app.mark("space"));
    select();
  }

  function select() {
    const crystal = app.current;
    if (!crystal || !places) return;
    places.chips.querySelectorAll(".chip").forEach(function (chip) {
      chip.setAttribute("aria-pressed", String(same(JSON.parse(chip.dataset.choice), app.state.atoms)));
    });
    const forward = app.state.direction === "atom_to_text";
    places.lead.replaceChildren(
      document.createTextNode(app.t(forward ? "text_shaded_by" : "text_shaded_back", { who: app.who() })),
      app.element("span", { class: "on-screen", text: app.mark("space") + app.t(forward ? "click_word" : "click_word_back") }));
    app.redrawMaps();
    app.drawTexts(crystal, places.texts);
    app.drawStructure(crystal, places.cell);
    app.emit("view");
  }
  app.on("selection", select);
  app.redrawStage = draw;
  app.rebuildStage = function () { if (app.state.crystal >= 0) app.choose(app.state.crystal); };
})(window.crysmm);

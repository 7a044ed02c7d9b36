// The description in each arm, shaded by the chosen atoms' attention; and the words and atoms with the most of it.
(function (app) {
  "use strict";
  app.who = function () {
    const choice = app.state.atoms;
    if (choice.kind === "atom") return app.current.labels[choice.index];
    return choice.kind === "element" ? app.t("mean_element", { element: choice.symbol }) : app.t("mean_atom");
  };

  app.drawTexts = function (crystal, holder) {
    const state = app.state, columns = app.columns(crystal), shown = new Set(columns);
    const given = app.mapArms().map(function (arm) {
      const matrix = app.matrix(crystal, arm, state.direction, state.head, state.special);
      return matrix && { arm: arm, profile: app.profile(crystal, matrix) };
    }).filter(Boolean);
    let most = 0;
    given.forEach(function (g) { columns.forEach(function (w) { if (!crystal.words[w].special) most = Math.max(most, g.profile[w]); }); });
    holder.replaceChildren.apply(holder, given.map(function (g) { return one(crystal, g, most || 1, shown); }));
  };

  function one(crystal, given, most, shown) {
    const prose = app.element("div", { class: "prose", lang: "en", role: "group", "aria-label": app.t("shading_label", { arm: app.armLabel(given.arm) }) });
    let first = true;
    crystal.words.forEach(function (word, w) {
      if (!shown.has(w)) return;
      if (!first && (word.space || word.special || crystal.words[w - 1].special)) prose.append(" ");
      const value = given.profile[w];
      const span = app.element("span", {
        class: word.special ? "w special" : "w", text: word.text, role: "button", tabindex: (app.state.word < 0 ? first : app.state.word === w) ? "0" : "-1",
        "aria-pressed": String(app.state.word === w), "data-word": w, title: app.number(value, 4),
        style: { backgroundColor: app.tint(value / most, given.arm) },
      });
      first = false;
      prose.append(span);
    });
    if (!prose.querySelector('[tabindex="0"]') && prose.firstElementChild) prose.firstElementChild.tabIndex = 0;
    prose.addEventListener("click", function (event) { const w = event.target.closest(".w"); if (w) pick(Number(w.dataset.word)); });
    prose.addEventListener("keydown", function (event) {
      const now = event.target.closest(".w");
      if (!now) return;
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(Number(now.dataset.word), given.arm); return; }
      const step = { ArrowRight: "nextElementSibling", ArrowDown: "nextElementSibling", ArrowLeft: "previousElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      const next = step && now[step];
      if (!next) return;
      event.preventDefault();
      now.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
    prose.dataset.arm = given.arm;
    const order = Array.from(shown).sort(function (a, b) { return given.profile[b] - given.profile[a]; }).slice(0, 8);
    return app.element("div", { class: "text-of", "data-arm": given.arm }, [
      app.heading(given.arm), prose,
      app.element("p", { class: "note", text: app.t("top_words"), style: { marginTop: ".7rem" } }),
      app.bars(order.map(function (w) { return { text: crystal.words[w].text, value: given.profile[w] }; }), most, given.arm),
    ]);
  }

  app.heading = function (arm) {
    return app.element("h4", {}, [app.element("span", { class: "swatch", style: { background: app.colour(arm) }, "aria-hidden": "true" }), document.createTextNode(app.armLabel(arm))]);
  };
  app.bars = function (rows, top, arm) {
    return app.element("ul", { class: "top" }, rows.map(function (row) {
      return app.element("li", {}, [
        app.element("span", { class: "what", text: row.text, title: row.text }),
        app.element("span", { class: "track", "aria-hidden": "true" }, [app.element("span", { class: "fill", style: { width: Math.min(100 * row.value / top, 100) + "%", background: app.colour(arm) } })]),
        app.element("span", { class: "number", text: app.number(row.value, 4) }),
      ]);
    }));
  };

  function pick(word, arm) {
    app.state.word = app.state.word === word ? -1 : word;
    app.emit("selection");
    if (arm) {
      const prose = Array.from(document.querySelectorAll(".prose")).find(function (p) { return p.dataset.arm === arm; });
      const again = prose && prose.querySelector('[data-word="' + word + '"]');
      if (again) { prose.querySelectorAll('[tabindex="0"]').forEach(function (n) { n.tabIndex = -1; }); again.tabIndex = 0; again.focus(); }
    }
  }

  app.wordShown = function (crystal) {
    if (app.state.word >= 0 && app.columns(crystal).includes(app.state.word)) return app.state.word;
    const arm = app.shownArms()[0], matrix = app.matrix(crystal, arm, app.state.direction, app.state.head, app.state.special);
    let best = -1, most = -1;
    if (matrix) app.columns(crystal).forEach(function (w) {
      if (crystal.words[w].special) return;
      let sum = 0;
      for (let a = 0; a < crystal.atoms; a += 1) sum += matrix[a * crystal.words.length + w];
      if (sum > most) { most = sum; best = w; }
    });
    return best < 0 ? 0 : best;
  };
})(window.crysmm);

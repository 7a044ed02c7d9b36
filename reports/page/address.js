// The address holds what is looked at (crystal, arm, run, head, direction, atom, word), so that a view can be cited.
(function (app) {
  "use strict";
  const crystals = app.data.crystals;
  let written = "";

  function address() {
    const state = app.state, values = new URLSearchParams();
    if (state.crystal < 0) return "";
    values.set("crystal", crystals.id[state.crystal]);
    if (app.data.pairs.length) values.set("arm", app.shownArms()[0]);
    if (state.run > 0) values.set("run", String(state.run + 1));
    if (state.head >= 0) values.set("head", String(state.head + 1));
    if (state.direction !== "atom_to_text") values.set("direction", state.direction);
    if (state.atoms.kind === "atom") values.set("atom", String(state.atoms.index + 1));
    if (state.atoms.kind === "element") values.set("element", state.atoms.symbol);
    if (state.word >= 0) values.set("word", String(state.word + 1));
    if (!state.special) values.set("special", "off");
    if (state.scale !== "linear") values.set("scale", state.scale);
    return "#" + values.toString();
  }

  // Takes what the address names; what it names wrongly is left as it is. Returns the crystal's number, -1 for none.
  app.readAddress = function () {
    const values = new URLSearchParams(location.hash.replace(/^#/, ""));
    const index = crystals.id.indexOf(values.get("crystal") || "");
    if (!values.has("crystal") || index < 0) return -1;
    const state = app.state;
    const whole = function (key) { const n = Number(values.get(key)); return Number.isInteger(n) && n >= 1 ? n - 1 : -1; };
    const pair = app.data.pairs.findIndex(function (p) { return p.arm === values.get("arm"); });
    if (pair >= 0) state.pair = pair;
    state.run = Math.max(whole("run"), 0);
    state.head = whole("head");
    state.direction = values.get("direction") === "text_to_atom" ? "text_to_atom" : "atom_to_text";
    state.atoms = whole("atom") >= 0 ? { kind: "atom", index: whole("atom") } : values.get("element") ? { kind: "element", symbol: values.get("element") } : { kind: "all" };
    state.word = whole("word");
    state.special = values.get("special") !== "off";
    state.scale = values.get("scale") === "root" ? "root" : "linear";
    written = location.hash;
    return index;
  };

  app.listenToAddress = function () {
    const keep = function () {
      const now = address();
      if (!now || now === location.hash) return;
      written = now;
      try { history.replaceState(null, "", now); } catch (error) { /* a browser that keeps a file's address */ }
    };
    app.on("view", keep);
    window.addEventListener("hashchange", function () {
      if (location.hash === written || !/[#&]crystal=/.test(location.hash)) return;
      const index = app.readAddress();
      if (index < 0) return;
      app.showPair(app.state.pair);
      app.choose(index, { keep: true }).then(function () { app.refreshList(true); app.showInList(index); });
    });
  };

  app.copyLink = async function () {
    const button = document.getElementById("copy-link");
    const done = await app.toClipboard(location.href.replace(/#.*$/, "") + address());
    button.textContent = app.t(done ? "link_copied" : "link_failed");
    document.getElementById("live").textContent = button.textContent;
    setTimeout(function () { button.textContent = app.t("copy_link"); }, 1800);
  };
})(window.crysmm);

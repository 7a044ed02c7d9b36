// Switches of the page itself, and the start.
(function (app) {
  "use strict";
  const root = document.documentElement;

  document.addEventListener("click", function (event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.setLang) app.setLang(button.dataset.setLang);
    if (button.dataset.setTheme) app.setTheme(button.dataset.setTheme);
    if (button.dataset.setPair) setPair(Number(button.dataset.setPair));
    if (button.dataset.copy) copy(button);
    if (button.dataset.save) app.save(button);
  });

  app.showPair = function (index) {
    app.state.pair = index;
    root.dataset.pair = String(index);
    document.querySelectorAll("[data-set-pair]").forEach(function (b) { b.setAttribute("aria-pressed", String(Number(b.dataset.setPair) === index)); });
  };
  function setPair(index) {
    app.showPair(index);
    app.fillSelects();
    app.refreshList(true);
    app.rebuildStage();
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy), text = source.dataset.plain;
    const done = await app.toClipboard(text);
    const word = button.querySelector(".copy-word");
    word.textContent = app.t(done ? "copied" : "copy_failed");
    document.getElementById("live").textContent = word.textContent;
    if (!done) getSelection().selectAllChildren(source);
    setTimeout(function () { word.textContent = app.t("copy"); }, 1800);
  }
  app.toClipboard = async function (text) {
    try { await navigator.clipboard.writeText(text); return true; } catch (error) { return byHand(text); }
  };
  // Browsers that give a file no clipboard still honour a copy of selected text.
  function byHand(text) {
    const area = app.element("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    let done = false;
    try { done = document.execCommand("copy"); } catch (error) { done = false; }
    area.remove();
    return done;
  }

  app.on("lang", function () { app.fillSelects(); app.refreshList(true); app.rebuildStage(); });
  app.on("theme", app.redrawStage);
  // Paper is white and 180 mm wide: canvases and tints are drawn again for the time of printing, whole and in light colours.
  const PAPER = 678;
  app.paper = 0;
  let before = null;
  window.addEventListener("beforeprint", function () {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    app.paper = PAPER;
    app.redrawStage();
  });
  window.addEventListener("afterprint", function () {
    if (before !== null) root.dataset.theme = before;
    before = null;
    app.paper = 0;
    app.redrawStage();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", app.redrawStage);
  let width = window.innerWidth, waiting = 0;
  window.addEventListener("resize", function () {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(app.redrawStage, 150);
  });

  app.state.metric = 0;
  if (root.dataset.wished && app.data.langs.includes(root.dataset.wished)) root.dataset.lang = root.dataset.wished;
  root.lang = app.data.tags[root.dataset.lang] || root.dataset.lang;
  document.getElementById("explorer").hidden = false;
  app.startList();
  app.fillSelects();
  app.label();
  app.refreshList();
  const wished = app.readAddress();
  const first = wished >= 0 ? wished : app.firstListed();
  app.showPair(app.state.pair);
  if (first >= 0) app.choose(first, { keep: wished >= 0 }).then(function () { app.refreshList(); app.showInList(first); ready(); });
  else ready();
  function ready() {
    root.dataset.ready = "true";
    app.listenToAddress();
    const idle = window.requestIdleCallback || function (work) { setTimeout(work, 50); };
    idle(function () { app.loadDescriptions(); app.startPlots(); app.markScrolls(); });
  }
})(window.crysmm);

// Languages, theme, and numbers as text.
(function (app) {
  "use strict";
  const root = document.documentElement;
  const keep = function (key, value) { try { localStorage.setItem(key, value); } catch (error) { /* private window */ } };

  app.lang = function () { return root.dataset.lang; };
  app.t = function (key, values) {
    const texts = app.data.texts[app.lang()] || {}, found = key in texts ? texts[key] : key;
    return found.replace(/\{(\w+)\}/g, function (whole, name) { return values && name in values ? values[name] : whole; });
  };

  app.mark = function (name) { return app.data.marks[app.lang()][name]; };

  app.label = function () {
    document.querySelectorAll("[data-label]").forEach(function (node) {
      node.setAttribute("aria-label", app.t(node.dataset.label));
      if (node.tagName === "BUTTON") node.title = app.t(node.dataset.label);
    });
    document.querySelectorAll("[data-placeholder]").forEach(function (node) { node.placeholder = app.t(node.dataset.placeholder); });
    document.querySelectorAll("[data-set-lang]").forEach(function (node) { node.setAttribute("aria-pressed", String(node.dataset.setLang === app.lang())); });
    document.querySelectorAll("[data-set-theme]").forEach(function (node) { node.setAttribute("aria-pressed", String(node.dataset.setTheme === root.dataset.theme)); });
  };
  app.setLang = function (lang) {
    root.dataset.lang = lang;
    root.lang = app.data.tags[lang] || lang;
    keep("crysmm-attn-lang", lang);
    app.label();
    app.emit("lang");
  };
  app.setTheme = function (theme) {
    root.dataset.theme = theme;
    keep("crysmm-attn-theme", theme);
    app.label();
    app.emit("theme");
  };

  const minus = "\u2212", missing = "\u2013";
  app.number = function (value, digits, sign) {
    if (value === null || value === undefined || !isFinite(value)) return missing;
    const text = Math.abs(value).toFixed(digits);
    const zero = Number(text) === 0;
    return (zero ? "" : value < 0 ? minus : sign ? "+" : "") + text;
  };
  // Three significant figures, never scientific.
  app.short = function (value, sign) {
    if (value === null || value === undefined || !isFinite(value)) return missing;
    if (value === 0) return "0";
    const digits = Math.min(Math.max(2 - Math.floor(Math.log10(Math.abs(value))), 0), 5);
    return app.number(value, digits, sign);
  };
})(window.crysmm);

// Before the first paint: the reader's earlier choice of language and theme.
(function () {
  "use strict";
  const root = document.documentElement;
  const kept = function (key) { try { return localStorage.getItem(key); } catch (error) { return null; } };
  const theme = kept("crysmm-attn-theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const wished = kept("crysmm-attn-lang");
  if (wished && /^[A-Za-z-]{2,12}$/.test(wished)) root.dataset.wished = wished;
})();

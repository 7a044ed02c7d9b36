// What is wider than its place says so: its edge fades while more lies beyond it, and a line below names the gesture.
(function (app) {
  "use strict";
  const WIDE = ".plot, .scroll, .map-scroll";
  let waiting = false;

  function mark(node) {
    const beyond = node.scrollWidth - node.clientWidth;
    node.classList.toggle("scrolls", beyond > 4);
    node.classList.toggle("at-end", beyond > 4 && node.scrollLeft >= beyond - 4);
    if (node.classList.contains("map-scroll")) return; // several maps move as one: the fading edge is enough
    const after = node.nextElementSibling, hint = after && after.classList.contains("scroll-hint") ? after : null;
    if (hint) { hint.hidden = beyond <= 4; hint.textContent = app.t("scroll_hint"); return; }
    if (beyond > 4) node.after(app.element("p", { class: "note scroll-hint", text: app.t("scroll_hint") }));
  }

  app.markScrolls = function () {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(function () { waiting = false; document.querySelectorAll(WIDE).forEach(mark); });
  };
  document.addEventListener("scroll", function (event) {
    if (event.target.matches && event.target.matches(WIDE)) mark(event.target);
  }, { capture: true, passive: true });
  window.addEventListener("resize", app.markScrolls);
  app.on("view", app.markScrolls);
  app.on("lang", app.markScrolls);
})(window.crysmm);

// Colour of a number: viridis for attention, baseline's hue to arm's hue for differences, an arm's tint for text.
(function (app) {
  "use strict";
  const stops = ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"].map(parse);
  function parse(hex) { return [0, 2, 4].map(function (i) { return parseInt(hex.slice(i, i + 2), 16); }); }
  function mix(a, b, share) { return [0, 1, 2].map(function (i) { return Math.round(a[i] + (b[i] - a[i]) * share); }); }
  function css(rgb) { return "rgb(" + rgb.join(",") + ")"; }
  app.rgb = function (hex) { return parse(hex.trim().replace("#", "")); };
  app.ink = function (name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); };

  app.viridis = function (share) {
    const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    return css(mix(stops[low], stops[low + 1], place - low));
  };
  app.diverging = function (share, arm, baseline) {
    const middle = app.rgb(app.ink("--neutral"));
    const end = app.rgb(app.colour(share < 0 ? baseline : arm));
    return css(mix(middle, end, Math.min(Math.abs(share), 1)));
  };
  // At most so strong that the page's ink stays readable on it.
  app.tint = function (share, arm) {
    const most = app.isDark() ? 0.62 : 0.55;
    return css(mix(app.rgb(app.ink("--card")), app.rgb(app.colour(arm)), most * app.bent(share)));
  };
  // Position on the scale: the share itself, or its square root where the reader asks for it; the sign stays.
  app.bent = function (share) {
    const size = Math.min(Math.abs(share), 1);
    return Math.sign(share) * (app.state.scale === "root" ? Math.sqrt(size) : size);
  };
  app.isDark = function () { const c = app.rgb(app.ink("--card")); return c[0] + c[1] + c[2] < 384; };
})(window.crysmm);

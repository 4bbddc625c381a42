// Runs before the first paint, so that nothing flashes. The choices are the viewer's: theme, density, motion.
(function () {
  var root = document.documentElement;
  var dark = matchMedia("(prefers-color-scheme: dark)");
  function apply() {
    var look = {};
    try {
      look = JSON.parse(localStorage.getItem("doorward.look") || "{}");
    } catch (unreadable) {
      look = {};
    }
    var theme = look.theme === "light" || look.theme === "dark" ? look.theme : dark.matches ? "dark" : "light";
    root.dataset.theme = theme;
    root.dataset.density = look.density === "compact" ? "compact" : "normal";
    root.dataset.motion = look.motion === "reduced" ? "reduced" : "system";
  }
  dark.addEventListener("change", apply);
  addEventListener("doorward:look", apply);
  apply();
})();

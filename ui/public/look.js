// Runs before the first paint, so that nothing flashes. The choices are the viewer's: theme, density, motion.
// And asks who is signed in while the page's scripts are still on their way: src/api/session.ts takes the answer.
(function () {
  window.doorwardSession = fetch("/api/v1/session", { credentials: "same-origin" }).catch(function () {
    return null;
  });
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

// Draws the page anew when something has changed. Without this script the pages work, and show what was so when they were
// loaded.
(() => {
  "use strict";
  const main = () => document.getElementById("main");
  if (!main() || !("live" in main().dataset)) return;
  const connection = document.getElementById("connection");

  // A map is one stop of the tab key: a pool can have a thousand addresses. The arrow keys lead to the next cell that way.
  const cells = () => [...main().querySelectorAll(".map a.cell")];
  const stop = (at) => cells().forEach((cell, i) => { cell.tabIndex = cell === at || (!at && i === 0) ? 0 : -1; });
  const next = (from, x, y) => {
    const here = from.getBoundingClientRect();
    let best = null;
    let least = Infinity;
    for (const cell of cells()) {
      const there = cell.getBoundingClientRect();
      const [dx, dy] = [there.left - here.left, there.top - here.top];
      if (x ? dy !== 0 || dx * x <= 0 : dy * y <= 0) continue;
      const far = Math.abs(dy) * 10000 + Math.abs(dx);
      if (far < least) [best, least] = [cell, far];
    }
    return best;
  };
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".map a.cell");
    if (!cell || !(event.key in ways) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    next(cell, ...ways[event.key])?.focus();
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".map a.cell")) stop(event.target);
  });

  // The row that the address names stands out, also when it was drawn anew.
  addEventListener("hashchange", () => main().querySelector("tr.here")?.classList.remove("here"));
  stop(null);

  // lose says since when the page is not up to date. It says so once: to be told every second helps nobody who listens.
  const lose = () => {
    connection.textContent ||= `Connection lost at ${new Date().toLocaleTimeString()}: the page is not up to date.`;
  };

  let stale = false;
  let busy = false;
  let pressed = false; // what is drawn anew between press and release gets no click

  // redraw puts the new content in place of the old one, and the focus back to where it was.
  const redraw = async () => {
    if (busy || pressed || document.hidden) { stale = true; return; }
    const field = document.activeElement;
    if (field && main().contains(field) && field.matches("input, select, textarea")) { stale = true; return; }
    busy = true;
    stale = false;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (fresh && pressed) {
        stale = true;
      } else if (fresh) {
        const links = () => [...main().querySelectorAll("a[href]")];
        const place = links().indexOf(document.activeElement);
        const href = place < 0 ? null : document.activeElement.getAttribute("href");
        const scrolled = [...main().querySelectorAll(".scroll")].map((e) => e.scrollLeft);
        const marked = main().querySelector("tr:target, tr.here")?.id;
        main().replaceChildren(...fresh.childNodes);
        main().querySelectorAll(".scroll").forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
        stop(null);
        if (marked) document.getElementById(marked)?.classList.add("here");
        if (href !== null) links().find((e) => e.getAttribute("href") === href)?.focus({ preventScroll: true });
        const before = document.querySelector("footer p");
        const after = page.querySelector("footer p");
        if (before && after) before.replaceWith(after);
        document.title = page.title;
      }
      connection.textContent = "";
    } catch {
      lose();
    } finally {
      busy = false;
      if (stale && !pressed && !document.hidden) setTimeout(redraw, 1000);
    }
  };

  const events = new EventSource("./events");
  events.addEventListener("change", redraw);
  events.addEventListener("error", lose);
  events.addEventListener("open", () => { connection.textContent = ""; });
  const again = () => { if (stale) redraw(); };
  document.addEventListener("visibilitychange", again);
  document.addEventListener("pointerdown", () => { pressed = true; });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => { pressed = false; setTimeout(again, 0); });
  }
  document.addEventListener("focusout", () => setTimeout(again, 0));
})();

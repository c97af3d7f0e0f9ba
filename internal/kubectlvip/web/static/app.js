// Draws the page anew when something has changed. Without this script the pages work, and show what was so when they were
// loaded.
(() => {
  "use strict";
  const main = () => document.getElementById("main");
  if (!main() || !("live" in main().dataset)) return;
  const connection = document.getElementById("connection");
  let stale = false;
  let busy = false;

  // redraw puts the new content in place of the old one, and the focus back to where it was.
  const redraw = async () => {
    if (busy || document.hidden) { stale = true; return; }
    const field = document.activeElement;
    if (field && main().contains(field) && field.matches("input, select, textarea")) { stale = true; return; }
    busy = true;
    stale = false;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (fresh) {
        const links = () => [...main().querySelectorAll("a[href]")];
        const place = links().indexOf(document.activeElement);
        const href = place < 0 ? null : document.activeElement.getAttribute("href");
        const scrolled = [...main().querySelectorAll(".scroll")].map((e) => e.scrollLeft);
        main().replaceChildren(...fresh.childNodes);
        main().querySelectorAll(".scroll").forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
        if (href !== null) links().find((e) => e.getAttribute("href") === href)?.focus({ preventScroll: true });
        const before = document.querySelector("footer p");
        const after = page.querySelector("footer p");
        if (before && after) before.replaceWith(after);
        document.title = page.title;
      }
      connection.textContent = "";
    } catch {
      connection.textContent = "The page is not up to date: kubectl vip ui does not answer.";
    } finally {
      busy = false;
      if (stale && !document.hidden) setTimeout(redraw, 1000);
    }
  };

  const events = new EventSource("/events");
  events.addEventListener("change", redraw);
  events.addEventListener("error", () => {
    connection.textContent = "The page is not up to date: kubectl vip ui does not answer.";
  });
  events.addEventListener("open", () => { connection.textContent = ""; });
  const again = () => { if (stale) redraw(); };
  document.addEventListener("visibilitychange", again);
  document.addEventListener("focusout", () => setTimeout(again, 0));
})();

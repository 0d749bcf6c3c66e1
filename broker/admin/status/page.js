"use strict";
// Asks for this page again and takes over what has changed, node by node: scroll, selection, focus and what was
// unfolded stay. It rests while nobody looks.
(() => {
  const PAUSE = 2000, LONGEST = 15000, PATIENCE = 8000; // ms
  const gone = document.getElementById("gone"), icon = document.getElementById("icon");
  const GRAY = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" +
    "%3Ccircle cx='8' cy='8' r='6' fill='none' stroke='%23888' stroke-width='3'/%3E%3C/svg%3E";
  let since = null, pause = PAUSE, timer = 0, busy = false;

  function update(old, fresh) {
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name, value } of fresh.attributes)
      if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes])
      if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    const named = new Map([...old.children].filter((node) => node.id).map((node) => [node.id, node]));
    let place = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      let same = next.id ? named.get(next.id) : place;
      if (!same || same.nodeName !== next.nodeName || (same.id ?? "") !== (next.id ?? "")) {
        old.insertBefore(document.importNode(next, true), place);
        continue;
      }
      if (same === place) place = place.nextSibling;
      else old.insertBefore(same, place);
      update(same, next);
    }
    while (place) {
      const over = place;
      place = place.nextSibling;
      over.remove();
    }
  }

  async function look() {
    if (busy || document.hidden) return;
    busy = true;
    clearTimeout(timer);
    const began = performance.now();
    try {
      const reply = await fetch(location.pathname, {
        headers: { Accept: "text/html" }, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE),
      });
      if (!reply.ok) throw new Error(`It answers with status ${reply.status}`);
      take(new DOMParser().parseFromString(await reply.text(), "text/html"));
      // Somebody far away, or with hundreds of tokens, is asked less often.
      pause = Math.max(PAUSE, Math.min(LONGEST, 20 * (performance.now() - began)));
    } catch (error) {
      miss(error.message.startsWith("It answers") ? error.message : "No answer from the broker");
      pause = Math.min(LONGEST, pause * 1.5);
    }
    busy = false;
    plan();
  }

  function take(fresh) {
    // Another release has another style and another script.
    if (fresh.documentElement.dataset.build !== document.documentElement.dataset.build) return location.reload();
    since = null;
    gone.hidden = true;
    document.body.classList.remove("gone");
    document.title = fresh.title;
    if (icon.href !== fresh.getElementById("icon").href) icon.href = fresh.getElementById("icon").href;
    // What somebody reads stays where it is when something above it grows.
    const read = scrollY > 0 ? beingRead() : null, top = read?.getBoundingClientRect().top;
    update(document.getElementById("live"), fresh.getElementById("live"));
    if (read?.isConnected) scrollBy({ top: read.getBoundingClientRect().top - top, behavior: "instant" });
  }

  function beingRead() {
    const focused = document.activeElement?.closest("li[id]"), box = focused?.getBoundingClientRect();
    if (box && box.bottom > 0 && box.top < innerHeight) return focused;
    return document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest("li[id]");
  }

  function miss(what) {
    since ??= new Date();
    const clock = since.toISOString().slice(11, 19);
    const text = `${what} since ${clock} UTC. Below is how things stood before; this page keeps asking.`;
    if (gone.textContent !== text) gone.textContent = text;
    gone.hidden = false;
    document.body.classList.add("gone");
    document.title = "✖ no answer · token-broker";
    icon.href = GRAY;
  }

  function plan() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, pause);
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
  document.getElementById("still").hidden = true;
  plan();
})();

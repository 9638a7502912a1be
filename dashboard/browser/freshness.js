// Tells how old a page is, by the browser's own clock: a server that hangs or is gone can't.
(() => {
  "use strict";

  const LOOK_MS = 1000;
  const LATE_SECONDS = 8, STALE_SECONDS = 20; // of a section that refreshes every 2 s
  const LATE_REFRESHES = 4, STALE_REFRESHES = 10;
  const PAUSED_LATE_SECONDS = 60;
  const LOST_AFTER_MS = 1500; // a reload of the page by Streamlit takes less
  const MAX_KNOWN = 200;
  const DIALOG = "[data-testid=stDialog]", STREAMLITS_TITLE = "Connection error";

  const readAt = new Map(); // when something was read, by the browser's clock, by section and the server's time of it
  let lostSince = 0, wasConnected = false;

  const style = document.createElement("style");
  style.textContent = `
    .taskyard-age { font-size: 0.875rem; padding: 0 0.3rem; border-radius: 4px; white-space: nowrap; opacity: 0.75; }
    .taskyard-age.taskyard-late, .taskyard-age.taskyard-stale { border: 1px solid; opacity: 1; }
    ${DIALOG}.taskyard-hidden, [data-testid=stConnectionStatus] { display: none !important; }`;
  addEventListener("DOMContentLoaded", () => document.head.append(style));

  function ageOf(mark) {
    const { taskyardAt: at, section, age } = mark.dataset;
    const key = `${section} ${at}`;
    const now = Date.now();
    const known = Math.min(readAt.get(key) ?? now, now - 1000 * Number(age));
    readAt.set(key, known);
    if (readAt.size > MAX_KNOWN) readAt.delete(readAt.keys().next().value);
    return Math.max(0, (now - known) / 1000);
  }

  function spanOf(seconds) {
    const [name, size] = seconds < 60 ? ["seconds", 1] : seconds < 3600 ? ["minutes", 60] : ["hours", 3600];
    return window.taskyard.text(name).replace("{n}", Math.floor(seconds / size));
  }

  function levelOf(age, every, isPaused) {
    if (isPaused) return age >= PAUSED_LATE_SECONDS ? "taskyard-late" : "";
    if (age >= Math.max(STALE_SECONDS, STALE_REFRESHES * every)) return "taskyard-stale";
    return age >= Math.max(LATE_SECONDS, LATE_REFRESHES * every) ? "taskyard-late" : "";
  }

  function lookAtSections() {
    let oldest = 0;
    for (const mark of document.querySelectorAll("[data-taskyard-at]")) {
      const age = ageOf(mark);
      const level = levelOf(age, Number(mark.dataset.every), mark.dataset.paused === "1");
      const text = window.taskyard.text("ago").replace("{span}", spanOf(age));
      if (mark.textContent !== text) mark.textContent = text;
      mark.className = `taskyard-age ${level}`.trim();
      if (level === "taskyard-stale") oldest = Math.max(oldest, age);
    }
    return oldest;
  }

  function hideStreamlitsDialog() {
    for (const dialog of document.querySelectorAll(DIALOG)) {
      const isStreamlits = dialog.textContent.trimStart().startsWith(STREAMLITS_TITLE);
      dialog.classList.toggle("taskyard-hidden", isStreamlits);
      if (isStreamlits) dialog.querySelector("button[aria-label=Close]")?.click();
    }
  }

  function lookAtConnection() {
    const state = document.querySelector("[data-testid=stApp]")?.dataset.testConnectionState;
    if (state === "CONNECTED") {
      wasConnected = true;
      lostSince = 0;
    } else if (wasConnected && !lostSince) {
      lostSince = Date.now();
    }
    return lostSince && Date.now() - lostSince > LOST_AFTER_MS ? state : "";
  }

  function look() {
    if (!window.taskyardTexts) return;
    const { text, setLost } = window.taskyard;
    const oldest = lookAtSections();
    const lost = lookAtConnection();
    if (lost) setLost(text(lost === "DISCONNECTED_FOREVER" ? "closed" : "lost"));
    else setLost(oldest ? text("stale").replace("{span}", spanOf(oldest)) : "");
  }

  new MutationObserver(hideStreamlitsDialog).observe(document.documentElement, { childList: true, subtree: true });
  setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
})();

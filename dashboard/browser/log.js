// Keeps the end of a task's log in view while it follows what is written, and stops that once somebody scrolls up or
// selects something in it: then the page stays as it is.
(() => {
  "use strict";

  const END_PX = 40; // so near to the end is at the end
  const MOVED_MS = 1000; // a scroll later than that is not of a person
  const MOVES = ["wheel", "touchmove", "pointerdown", "keydown"];
  const view = () => document.querySelector(".st-key-log_view");
  const follow = () => document.querySelector(".st-key-log_follow input");

  let shown = null; // the element
  let page = null; // that is in it
  let movedAt = 0;
  let isHeld = false; // the server has not said yet that it no longer follows

  function hold() {
    if (isHeld || !follow()?.checked) return;
    isHeld = true;
    follow().click();
  }

  function scrolled() {
    const isAtEnd = shown.scrollHeight - shown.scrollTop - shown.clientHeight < END_PX;
    if (!isAtEnd && Date.now() - movedAt < MOVED_MS) hold();
  }

  function selected() {
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && view()?.contains(selection.anchorNode)) hold();
  }

  function attend(log) {
    [shown, page, isHeld] = [log, null, false];
    log.tabIndex = 0; // what scrolls is reached by keys
    log.addEventListener("scroll", scrolled, { passive: true });
    for (const kind of MOVES) log.addEventListener(kind, () => (movedAt = Date.now()), { passive: true });
    sizes.disconnect();
    sizes.observe(log); // a tab that is not open has no size
  }

  function place() {
    const log = view();
    const { taskyardLog: end, start, follows } = document.querySelector("[data-taskyard-log]")?.dataset ?? {};
    if (!log || end === undefined) return;
    if (log !== shown) attend(log);
    if (!log.clientHeight) return;
    const isNew = page !== end;
    page = end;
    if (isHeld) {
      isHeld = follows === "1"; // the page that it ends with is the one that was seen
    } else if (follows === "1" || (isNew && start === "end")) {
      log.scrollTop = log.scrollHeight;
    } else if (isNew && start === "line") {
      log.querySelector(".taskyard-log-hit")?.scrollIntoView({ block: "center" }); // in the panel, too
    } else if (isNew) {
      log.scrollTop = 0;
    }
  }

  const sizes = new ResizeObserver(place);
  if (!window.taskyardLog) {
    window.taskyardLog = true;
    document.addEventListener("selectionchange", selected);
    addEventListener("DOMContentLoaded", () => {
      new MutationObserver(place).observe(document.body, { childList: true, subtree: true });
    });
  }
})();

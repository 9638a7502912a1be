// Keeps what is typed into the Submit page in this browser, over a restart of the server and hours offline.
//
// The server says what the form holds, and which of it may be kept: [data-taskyard-draft]. What is typed and has not
// reached it is added here. A form that is still empty in a new session gets the draft through a hidden field. One task
// and many have a slot each, and are given back together.
(() => {
  "use strict";

  const LOOK_MS = 500;
  const AGAIN_MS = 5000, OFFERS = 3; // a connection that breaks may lose one
  const MARK = "[data-taskyard-draft]", FIELD = ".st-key-submit_draft textarea";
  const SIGN_OUT = ".st-key-sign_out, .st-key-sign_out_everywhere";
  const KEPT_MS = 14 * 86400 * 1000;
  const PREFIX = "taskyard-draft:";
  let pending = {}; // texts that the server does not know yet, by the key of their field
  const SLOTS = ["one", "many"];
  let last = "", offered = "", offers = 0, offeredAt = 0;
  const filled = {}; // by slot, the session in which it was seen with something in it

  const style = document.createElement("style");
  style.textContent = ".st-key-submit_draft { position: absolute !important; left: -200vw; height: 1px; overflow: hidden; }";
  addEventListener("DOMContentLoaded", () => document.head.append(style));

  const name = (slot) => `${PREFIX}${window.taskyard.user()}${slot === "one" ? "" : ":" + slot}`;
  function stored(slot) {
    const found = JSON.parse(localStorage.getItem(name(slot)) ?? "null");
    return found && Date.now() - found.at < KEPT_MS ? found : null;
  }
  function forget(slot) {
    pending = {};
    localStorage.removeItem(name(slot));
  }
  function keep(draft) {
    for (const [key, text] of Object.entries(pending))
      if (!(key in draft.texts) || draft.texts[key] === text) delete pending[key]; // it is there, or must not be kept
    const { state, slot, ...content } = draft;
    const texts = { ...content.texts, ...pending };
    try {
      localStorage.setItem(name(slot), JSON.stringify({ ...content, texts, at: Date.now() }));
    } catch {
      localStorage.removeItem(name(slot)); // too large for this browser: an old draft would be another text
    }
  }

  function mayBeLost(draft) {
    const isDue = offers > 0 && offers < OFFERS && Date.now() - offeredAt > AGAIN_MS;
    return isDue && !draft.taken && Object.keys(pending).length === 0;
  }
  function offer(draft) {
    const field = document.querySelector(FIELD);
    if (!field || field.disabled || (offered === draft.fill && !mayBeLost(draft))) return;
    offers = offered === draft.fill ? offers + 1 : 1;
    offeredAt = Date.now();
    const found = Object.fromEntries(SLOTS.map((slot) => [slot, stored(slot)]));
    offered = draft.fill;
    if (!SLOTS.some((slot) => found[slot])) return;
    const own = found[draft.slot];
    if (own) {
      own.texts = { ...own.texts, ...pending }; // typed before the copy was offered
      localStorage.setItem(name(draft.slot), JSON.stringify(own));
    }
    const write = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
    write.call(field, JSON.stringify(found));
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new FocusEvent("focusout", { bubbles: true })); // sends it; Ctrl Enter would press Submit, too
  }

  function look() {
    const field = document.querySelector(FIELD);
    if (field && field.tabIndex !== -1) {
      field.tabIndex = -1;
      field.setAttribute("aria-hidden", "true");
    }
    const mark = document.querySelector(MARK);
    if (!mark || !window.taskyard.user()) return;
    const text = mark.dataset.taskyardDraft;
    const draft = JSON.parse(text);
    const isNew = text !== last;
    last = text;
    if (draft.state === "empty") {
      if (filled[draft.slot] !== draft.fill) offer(draft);
      else if (isNew && Object.keys(pending).length === 0) forget(draft.slot); // emptied by hand
      return;
    }
    filled[draft.slot] = draft.fill;
    if (draft.state === "done") forget(draft.slot);
    else if (isNew) keep(draft);
  }

  document.addEventListener("input", (event) => {
    const mark = document.querySelector(MARK);
    const key = [...(event.target.closest?.("[class*=st-key-submit_]")?.classList ?? [])]
      .find((one) => one.startsWith("st-key-submit_"));
    if (!mark || !key || !event.isTrusted || event.target.getAttribute("role") === "combobox") return;
    const draft = JSON.parse(mark.dataset.taskyardDraft);
    const found = Object.keys(draft.texts).find((one) => `st-key-${one.replace(/[^a-zA-Z0-9_-]/g, "-")}` === key);
    if (!found) return;
    pending[found] = event.target.value;
    const isOpen = draft.state === "empty" && filled[draft.slot] !== draft.fill && offered !== draft.fill;
    if (isOpen && SLOTS.some(stored)) {
      offer(draft);
    } else if (draft.state !== "done") {
      if (isOpen) [offered, offers] = [draft.fill, 0]; // what is kept from now on is what is being typed: it is not to be given back
      keep(draft);
    }
  }, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.(SIGN_OUT)) SLOTS.forEach(forget);
  }, true);
  setInterval(look, LOOK_MS);
})();

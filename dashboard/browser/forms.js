// Keeps a form from being sent with other values than it shows.
//
// Streamlit sends a list's choice once it is picked, and a time once it is whole and within its limits. Until then the
// field shows what was typed, and the server has what was there before. A primary button, or Ctrl Enter, is therefore
// refused while a field shows something that was not sent, and the field says so.
(() => {
  "use strict";

  const FIELDS = "[data-testid=stMain], [data-testid=stDialog]";
  const PRIMARY = "button[data-testid^=stBaseButton-primary]";
  const typed = new WeakMap(); // by list: what was typed into it and not picked

  const isList = (node) => node instanceof HTMLInputElement && node.getAttribute("role") === "combobox";

  document.addEventListener("input", (event) => {
    if (isList(event.target)) typed.set(event.target, event.target.value);
  }, true);
  document.addEventListener("focusout", ({ target }) => {
    // a list also says so when it marks one of its entries, and keeps the focus
    setTimeout(() => document.activeElement !== target && typed.delete(target));
  }, true);
  document.addEventListener("pointerup", (event) => {
    if (event.target.closest?.("[role=option]")) typed.delete(document.activeElement);
  }, true);
  window.addEventListener("keydown", (event) => {
    const picks = event.key === "Enter" && !event.ctrlKey && !event.metaKey;
    if (isList(event.target) && (event.key === "Escape" || (picks && event.target.getAttribute("aria-activedescendant"))))
      typed.delete(event.target);
  }, true);

  const isUnpicked = (list) => typed.has(list) && typed.get(list) !== "" && list.value === typed.get(list);

  function isUnsent(time) {
    const parts = [...time.querySelectorAll("[role=spinbutton]")];
    const empty = parts.filter((part) => part.dataset.placeholder === "true").length;
    return (empty > 0 && empty < parts.length) || time.querySelector("[data-invalid], [aria-invalid=true]") !== null;
  }

  function unsentField(scope) {
    for (const list of scope.querySelectorAll("input[role=combobox]")) if (isUnpicked(list)) return list;
    for (const time of scope.querySelectorAll("[data-testid=stDateTimeInput], [data-testid=stDateInput]"))
      if (isUnsent(time)) return time.querySelector(":focus") ?? time.querySelector("[role=spinbutton]");
    return null;
  }

  function refuse(event, field) {
    event.preventDefault();
    event.stopImmediatePropagation();
    const { text, notice } = window.taskyard;
    notice(text(isList(field) ? "unpicked" : "unsent").replace("{value}", field.value ?? ""));
    field.focus();
  }

  function onPress(event) {
    const button = event.target.closest?.(PRIMARY);
    const scope = button && button.closest(FIELDS);
    const field = scope && unsentField(scope);
    if (field) refuse(event, field);
  }
  for (const kind of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"])
    window.addEventListener(kind, onPress, true);
  window.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const dialogs = document.querySelectorAll("[data-testid=stDialog]");
    const scope = dialogs[dialogs.length - 1] ?? document.querySelector("[data-testid=stMain]");
    const field = scope && unsentField(scope);
    if (field) refuse(event, field);
  }, true);
})();

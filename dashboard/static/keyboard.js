// Guards what people chose.

const BOXES = '[data-testid="stSelectbox"], [data-testid="stMultiSelect"]';

// A filter is cleared only by its own button: not by Esc, Backspace or Delete in a box that shows no list.
function guard(event) {
  const box = event.target.closest?.(BOXES);
  if (!box || !["Escape", "Backspace", "Delete"].includes(event.key)) {
    return;
  }
  const input = event.target.closest("input");
  const isOpen = input?.getAttribute("aria-expanded") === "true";
  const isTyping = Boolean(input?.value);
  if ((event.key === "Escape" && !isOpen) || (event.key !== "Escape" && !isTyping)) {
    event.stopImmediatePropagation();
    event.preventDefault();
  }
}

if (!window.taskyardKeyboard) {
  window.taskyardKeyboard = true;
  window.addEventListener("keydown", guard, true);
}

// Guards what people chose, and lets them work on a list of tasks by keys.
(() => {
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

  const TYPED = "input, textarea, [contenteditable], [role=combobox], [role=listbox]";
  const TEXT = 'textarea, input[type="text"]:not([role="combobox"])';
  const STREAMLITS = ["r", "c"]; // its own keys draw the page anew, which closes a dialog, or clear what is cached
  const [WAIT_MS, DRAWN_MS] = [3000, 60];
  const [HEADER_PX, ROW_PX, BUTTON_PX] = [32, 24, 80]; // of the table, see dashboard/pages/tasks/table.py and pages/workflows
  const GRID = '[data-testid="stDataFrame"] canvas';
  const one = (selector) => document.querySelector(selector);
  const canvas = () => one(`:is([class*="st-key-tasks_"], .st-key-workflows_table) ${GRID}`);
  const click = (key) => {
    const button = one(`.st-key-${key} button`);
    button?.click();
    return Boolean(button);
  };

  // The table is drawn on a canvas, and has keys of its own.
  function send(key, more = {}) {
    const grid = canvas();
    if (!grid) {
      return false;
    }
    if (!isInGrid()) {
      grid.focus(); // again it would move the cursor, which may end a selection
    }
    const code = { " ": "Space" }[key] ?? key;
    const keyCode = { " ": 32, ArrowUp: 38, ArrowDown: 40 }[key];
    for (const kind of ["keydown", "keyup"]) {
      grid.dispatchEvent(new KeyboardEvent(kind, { key, code, keyCode, bubbles: true, cancelable: true, ...more }));
    }
    return true;
  }

  // The cursor is a cell of the table that is kept inside the canvas for screen readers: its name has column and row.
  const CELL = /^glide-cell-(\d+)-(\d+)$/;
  let row = null;
  const isInGrid = () => Boolean(canvas()?.contains(document.activeElement));

  function remember(event) {
    const found = CELL.exec(event.target.dataset?.testid ?? "");
    row = found ? found[2] : row;
  }

  // The last column has the buttons that open tasks: nothing but a pointer presses them.
  function open() {
    const grid = canvas();
    if (!isInGrid()) {
      return false;
    }
    const point = (kinds, buttons) => {
      const edge = grid.getBoundingClientRect();
      const at = { clientX: edge.right - BUTTON_PX, clientY: edge.top + HEADER_PX + ROW_PX * (Number(row) + 0.5) };
      const more = { ...at, bubbles: true, cancelable: true, pointerId: 1, pointerType: "mouse", isPrimary: true };
      for (const kind of kinds) {
        const Kind = kind.startsWith("pointer") ? PointerEvent : MouseEvent;
        grid.dispatchEvent(new Kind(kind, { ...more, buttons }));
      }
    };
    // each is listened to once what came before is drawn, and so is the cursor that j and k have just moved
    const steps = [
      () => point(["pointermove", "mousemove"], 0),
      () => point(["pointerdown", "mousedown"], 1),
      () => point(["pointerup", "mouseup", "click"], 0),
    ];
    steps.forEach((step, number) => setTimeout(() => row !== null && step(), DRAWN_MS * (number + 1)));
    return true;
  }

  // Never acts on all that match: without a selection it selects the row, and waits until that has arrived.
  function act(key) {
    if (one(".st-key-task_panel")) {
      return click(key);
    }
    if (one(".st-key-unselect")) {
      return click(`bulk_${key}_selected`);
    }
    if (!isInGrid() || !send(" ", { shiftKey: true })) {
      return true;
    }
    const begun = Date.now();
    const look = setInterval(() => {
      if (one(".st-key-unselect")) {
        clearInterval(look);
        click(`bulk_${key}_selected`);
      } else if (Date.now() - begun > WAIT_MS) {
        clearInterval(look);
      }
    }, 50);
    return true;
  }

  function search() {
    const input = one(":is(.st-key-address_text, .st-key-address_find) input");
    input?.focus();
    input?.select();
    return Boolean(input);
  }

  const KEYS = {
    "/": search,
    "?": () => click("keys"),
    j: () => send("ArrowDown"),
    k: () => send("ArrowUp"),
    x: () => send(" ", { shiftKey: true }),
    r: () => canvas() && act("retry"),
    c: () => canvas() && act("cancel"),
    Enter: open,
    Escape: () => click("close_task"),
  };

  function press(event) {
    if (!event.isTrusted || event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.(TYPED)) {
      return;
    }
    const dialog = one('[role="dialog"]');
    // not in the jump box, whose buttons have keys of their own
    const field = one(".st-key-jump_text") ? null : dialog?.querySelector(TEXT);
    if (field && event.key.length === 1 && event.key !== " ") {
      field.focus(); // what is typed goes there
      event.stopImmediatePropagation();
      return;
    }
    const isOurs = !dialog && Object.hasOwn(KEYS, event.key) && KEYS[event.key]();
    if (isOurs || STREAMLITS.includes(event.key.toLowerCase())) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }

  if (!window.taskyardKeyboard) {
    window.taskyardKeyboard = true;
    window.addEventListener("keydown", guard, true);
    window.addEventListener("keydown", press, true);
    window.addEventListener("focusin", remember, true);
  }
})();

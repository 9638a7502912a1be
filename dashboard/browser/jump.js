// Leads to anything by Ctrl K and a part of its name: what is typed before the box is there goes into it, Enter opens
// the first result for what is typed, arrows go through the results.
(() => {
  if (window.taskyardJump) return;
  window.taskyardJump = true;

  const [LOOK_MS, WAIT_MS] = [50, 10000];
  const one = (selector) => document.querySelector(selector);
  const field = () => one(".st-key-jump_text input");
  // Each has a second anchor, for narrow screens.
  const links = () => [...document.querySelectorAll(".st-key-jump_places a")].filter((link) => link.offsetParent);

  let typed = null; // before the box is there; null: it is not being opened
  let isSent = false; // by Enter, meanwhile

  function until(isDone, atEnd) {
    const begun = Date.now();
    const look = setInterval(() => {
      if (isDone() || Date.now() - begun > WAIT_MS) {
        clearInterval(look);
        atEnd?.();
      }
    }, LOOK_MS);
  }

  function open() {
    if (typed !== null) return;
    if (!field()) {
      one(".st-key-help button")?.click();
    }
    [typed, isSent] = ["", false];
    until(() => {
      const input = field();
      input?.focus();
      if (!input) return false;
      if (typed) {
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, input.value + typed);
        input.dispatchEvent(new InputEvent("input", { bubbles: true }));
      }
      if (isSent) {
        openFirst(input);
      }
      return true;
    }, () => (typed = null));
  }

  // The server says for which text its results are.
  function openFirst(input) {
    const text = input.value.trim();
    if (!text) return;
    until(() => {
      const isFresh = one("[data-taskyard-jump]")?.dataset.taskyardJump === text;
      if (isFresh) {
        links()[0]?.click();
      }
      return isFresh || field()?.value.trim() !== text;
    });
  }

  // Keeps a key for the box that is being opened; says whether it did.
  function keep(event) {
    if (typed === null || event.ctrlKey || event.altKey || event.metaKey) return false;
    if (event.key === "Escape") {
      typed = null;
    } else if (event.key === "Backspace") {
      typed = typed.slice(0, -1);
    } else if (event.key === "Enter") {
      isSent = true;
    } else if (event.key.length === 1) {
      typed += event.key;
    }
    return true;
  }

  function move(by) {
    const places = [field(), ...links()];
    const at = places.indexOf(document.activeElement);
    if (at < 0) return false;
    places[Math.min(Math.max(at + by, 0), places.length - 1)].focus();
    return true;
  }

  function press(event) {
    if (!event.isTrusted) return;
    let isOurs = true;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      open();
    } else if (!keep(event)) {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      isOurs = Boolean(by && field() && move(by));
      if (event.key === "Enter" && field() && event.target === field()) {
        openFirst(field());
      }
    }
    if (isOurs) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }

  window.addEventListener("keydown", press, true);
})();

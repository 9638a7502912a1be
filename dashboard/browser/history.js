// Makes every step of a person one entry of the browser's history.
//
// Streamlit adds an entry for every change of the address: one for the new parameters, still at the old page, one for
// the new page, and one for each parameter that a page settles by itself. Only the first one after something that a
// person did is a step; the others replace it. So Back gives exactly what was there before.
//
// A link to the page that is shown, with other parameters, would leave the address as it is: it is a step, too.
(() => {
  const KINDS = ["pointerdown", "keydown", "click"];

  const LINKS = "[data-testid=stPageLink-NavLink], .taskyard-log a[href]"; // the latter: to the lines around one found

  function lead(event) {
    const link = event.target.closest?.(LINKS);
    if (!link || link.target === "_blank" || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { pathname, search } = new URL(link.href);
    if (pathname !== window.location.pathname || search === window.location.search) return;
    event.preventDefault();
    event.stopPropagation();
    window.history.pushState({}, "", link.href);
    window.dispatchEvent(new PopStateEvent("popstate")); // Streamlit then shows the page of the new address
  }

  if (!window.taskyardHistory) {
    window.taskyardHistory = true;
    let isStep = true;
    for (const kind of KINDS) {
      window.addEventListener(kind, () => (isStep = true), true);
    }
    window.addEventListener("click", lead, true);
    window.addEventListener("popstate", () => (isStep = false), true);
    const push = window.history.pushState.bind(window.history);
    window.history.pushState = (state, unused, url) => {
      const target = new URL(url ?? "", window.location.href);
      if (target.href === window.location.href) {
        return;
      }
      if (isStep) {
        push(state, unused, url);
      } else {
        window.history.replaceState(state, unused, url);
      }
      isStep = false;
    };
  }
})();

// Leads from the shapes of a workflow's graph and timeline to tasks, and zooms by buttons and keys
// (dashboard/pages/workflows/graph.py).
(() => {
  "use strict";

  const MOVED_PX = 5; // more moves the picture and is no click
  const CHART = ".js-plotly-plot", FACTOR = 1.5;
  const TYPED = "input, textarea, [contenteditable], [role=combobox], [role=listbox], [role=dialog] *";
  const BUTTONS = { graph_zoom_in: 1 / FACTOR, graph_zoom_out: FACTOR, graph_zoom_all: 0 };
  const KEYS = { "+": "graph_zoom_in", "-": "graph_zoom_out", "=": "graph_zoom_all" };
  let pressedAt = [0, 0];

  const isMoved = (event) => Math.hypot(event.clientX - pressedAt[0], event.clientY - pressedAt[1]) > MOVED_PX;
  const isGraph = (chart) => Boolean(chart?._fullLayout?.meta?.graph);
  const pointOf = (chart) => (chart._hoverdata ?? []).find((point) => Array.isArray(point.customdata));

  // What a click leads to is in the address, as for every list of tasks.
  function address(chart, [, kind, id]) {
    const url = new URL(location.href);
    chart._fullLayout.meta.graph.forEach((name) => url.searchParams.delete(name));
    if (kind === "task") url.searchParams.set("task", id);
    else {
      ["state", "find"].forEach((name) => url.searchParams.delete(name));
      url.searchParams.set("view", "tasks");
      url.searchParams.set("stack", id);
    }
    return url;
  }

  function zoom(factor) {
    const chart = document.querySelector(`.st-key-workflow_graph ${CHART}`);
    if (!chart?._fullLayout) return;
    if (!factor) {
      window.Plotly.relayout(chart, { "xaxis.autorange": true, "yaxis.autorange": "reversed" });
      return;
    }
    const change = {};
    for (const name of ["xaxis", "yaxis"]) {
      const [first, last] = chart._fullLayout[name].range;
      const [middle, half] = [(first + last) / 2, (factor * (last - first)) / 2];
      change[`${name}.range[0]`] = middle - half;
      change[`${name}.range[1]`] = middle + half;
    }
    window.Plotly.relayout(chart, change);
  }

  const buttonOf = (target) => Object.keys(BUTTONS).find((key) => target.closest?.(`.st-key-${key} button`));

  addEventListener("pointerdown", (event) => (pressedAt = [event.clientX, event.clientY]), true);
  addEventListener(
    "click",
    (event) => {
      const button = buttonOf(event.target);
      if (button !== undefined) {
        event.stopImmediatePropagation(); // the server has nothing to do
        zoom(BUTTONS[button]);
        return;
      }
      const chart = event.target.closest?.(CHART);
      if (!isGraph(chart) || isMoved(event) || event.target.closest(".legend")) return;
      const point = pointOf(chart);
      if (point === undefined) return;
      history.pushState({}, "", address(chart, point.customdata));
      dispatchEvent(new PopStateEvent("popstate")); // Streamlit then shows the page of the new address
    },
    true,
  );
  addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.(TYPED)) return;
      if (KEYS[event.key] === undefined || document.querySelector(".st-key-workflow_graph") === null) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      zoom(BUTTONS[KEYS[event.key]]);
    },
    true,
  );
})();

// Leads from the shapes of a workflow's graph and timeline to tasks, and zooms by buttons and keys
// (dashboard/pages/workflows/graph.py).
//
// A graph that is too large for its box begins with the part that can be read, and is moved by the wheel and by drags.
(() => {
  "use strict";

  const MOVED_PX = 5, LINE_PX = 16; // more moves the picture and is no click
  const CHART = ".js-plotly-plot", FACTOR = 1.5;
  const TYPED = "input, textarea, [contenteditable], [role=combobox], [role=listbox], [role=dialog] *";
  const BUTTONS = { graph_zoom_in: 1 / FACTOR, graph_zoom_out: FACTOR, graph_zoom_all: 0 };
  const KEYS = { "+": "graph_zoom_in", "-": "graph_zoom_out", "=": "graph_zoom_all" };
  const SETTLED_MS = 50; // after zoom.js has restored what somebody had zoomed to
  const begun = new Set(); // the graphs, by revision, that were shown at a readable scale, or as somebody likes them
  let pressedAt = [0, 0], wheeled = null;

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

  const revisionOf = (chart) => chart._fullLayout?.uirevision;

  // Shows the upper left part at a scale that can be read, if the whole can't be at the size of its box.
  function begin(chart) {
    const { meta } = chart._fullLayout;
    if (!meta?.readable || begun.has(revisionOf(chart)) || !chart._fullLayout.xaxis.autorange) return;
    begun.add(revisionOf(chart));
    const change = {};
    ["xaxis", "yaxis"].forEach((name, at) => {
      const axis = chart._fullLayout[name], shown = axis._length / meta.readable[at];
      const [first, last] = [...axis.range].sort((one, other) => one - other);
      if (shown >= last - first) return;
      change[`${name}.range[0]`] = name === "xaxis" ? first : first + shown;
      change[`${name}.range[1]`] = name === "xaxis" ? first + shown : first;
    });
    if (Object.keys(change).length) window.Plotly.relayout(chart, change);
  }

  function watch(chart) {
    if (chart.dataset.taskyardGraph !== undefined || chart.on === undefined || !isGraph(chart)) return;
    chart.dataset.taskyardGraph = "";
    chart.on("plotly_afterplot", () => setTimeout(() => chart.isConnected && begin(chart), 2 * SETTLED_MS));
    setTimeout(() => chart.isConnected && begin(chart), 2 * SETTLED_MS);
  }

  // Returns how the axes change if what is shown moves by so many pixels, as far as there is more in that direction.
  function moved(chart, deltas) {
    const change = {};
    ["xaxis", "yaxis"].forEach((name, at) => {
      const axis = chart._fullLayout[name], delta = deltas[at];
      if (!delta) return;
      const [first, last] = chart._fullLayout.meta.whole[at], [low, high] = [...axis.range].sort((one, other) => one - other);
      const wanted = (delta * (high - low)) / axis._length;
      const step = delta > 0 ? Math.min(wanted, last - high) : Math.max(wanted, first - low);
      if (step * delta <= 0) return;
      change[`${name}.range[0]`] = axis.range[0] + step;
      change[`${name}.range[1]`] = axis.range[1] + step;
    });
    return Object.keys(change).length ? change : null;
  }

  function onWheel(event) {
    const chart = event.target.closest?.(CHART);
    if (!chart?._fullLayout?.meta?.readable || event.ctrlKey || event.metaKey) return; // these zoom
    event.stopImmediatePropagation();
    const isLine = event.deltaMode === WheelEvent.DOM_DELTA_LINE;
    const [x, y] = [event.deltaX, event.deltaY].map((delta) => delta * (isLine ? LINE_PX : 1));
    const deltas = event.shiftKey && !x ? [y, 0] : [x, y];
    if (wheeled !== null) {
      wheeled.deltas = wheeled.deltas.map((delta, at) => delta + deltas[at]); // one move in each frame is enough
      event.preventDefault();
      return;
    }
    if (moved(chart, deltas) === null) return; // the page scrolls
    event.preventDefault();
    wheeled = { chart, deltas };
    requestAnimationFrame(() => {
      const { chart: target, deltas: sum } = wheeled;
      wheeled = null;
      const change = target.isConnected && moved(target, sum);
      if (change) window.Plotly.relayout(target, change);
    });
  }

  function zoom(factor) {
    const chart = document.querySelector(`.st-key-workflow_graph ${CHART}`);
    if (!chart?._fullLayout) return;
    begun.add(revisionOf(chart));
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

  addEventListener("wheel", onWheel, { capture: true, passive: false });
  new MutationObserver((changes) => {
    const isPlot = ({ classList }) => classList?.contains("plot-container");
    if (changes.some(({ addedNodes }) => [...addedNodes].some(isPlot)))
      setTimeout(() => document.querySelectorAll(`.st-key-workflow_graph ${CHART}`).forEach(watch), SETTLED_MS);
  }).observe(document.documentElement, { childList: true, subtree: true });
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

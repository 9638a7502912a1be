// Keeps what somebody has zoomed to in a chart when new figures come.
//
// Plotly would do so by itself (dashboard/components/zoom.py), but Streamlit may draw a chart anew in another element.
(() => {
  "use strict";

  const CHART = ".js-plotly-plot", SETTLED_MS = 50; // a chart tells that it was drawn before it tells of a new range
  const zooms = new Map(); // what was zoomed to, by the chart's revision: another range is another one
  const known = new WeakSet();

  const revision = (chart) => chart._fullLayout?.uirevision;
  const axes = (zoom) => Object.keys(zoom).map((name) => name.split(".")[0]);

  function note(chart, change) {
    const ranges = Object.entries(change).filter(([name]) => /^[xy]axis\d*\.range\[/.test(name));
    if (Object.keys(change).some((name) => name.endsWith(".autorange"))) zooms.delete(revision(chart));
    else if (ranges.length) {
      zooms.set(revision(chart), { ...zooms.get(revision(chart)), ...Object.fromEntries(ranges) });
    }
  }

  function restore(chart) {
    const zoom = chart.isConnected && zooms.get(revision(chart));
    if (zoom && axes(zoom).some((axis) => chart._fullLayout[axis]?.autorange)) window.Plotly.relayout(chart, { ...zoom });
  }

  function watch(chart) {
    if (known.has(chart) || chart.on === undefined) return;
    known.add(chart);
    chart.on("plotly_relayout", (change) => note(chart, change));
    chart.on("plotly_afterplot", () => setTimeout(restore, SETTLED_MS, chart));
    restore(chart);
  }

  const look = () => document.querySelectorAll(CHART).forEach(watch);
  new MutationObserver((changes) => {
    const isPlot = ({ classList }) => classList?.contains("plot-container");
    if (changes.some(({ addedNodes }) => [...addedNodes].some(isPlot))) setTimeout(look, SETTLED_MS);
  }).observe(document.documentElement, { childList: true, subtree: true });
})();

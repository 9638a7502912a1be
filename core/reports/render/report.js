"use strict";
// Draws the page's charts in the colours of its theme, and in light ones on paper.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const charts = Array.from(document.querySelectorAll(".chart"));
  const config = { displayModeBar: false, responsive: true };

  function colours(isDark) {
    const ink = isDark ? "#f1f5f9" : "#0f172a", grid = isDark ? "#334155" : "#e2e8f0";
    return {
      "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font.color": ink, "font.size": 12,
      "xaxis.gridcolor": grid, "yaxis.gridcolor": grid, "xaxis.zerolinecolor": grid, "yaxis.zerolinecolor": grid,
      "hoverlabel.bgcolor": isDark ? "#1e293b" : "#ffffff", "hoverlabel.font.color": ink,
    };
  }

  function paint(isDark) {
    for (const chart of charts) Plotly.relayout(chart, colours(isDark));
  }

  for (const chart of charts) {
    const figure = figures[chart.dataset.figure];
    Plotly.newPlot(chart, figure.data, { ...figure.layout, height: Number(chart.dataset.height) }, config);
  }
  paint(dark.matches);
  dark.addEventListener("change", () => paint(dark.matches));
  window.addEventListener("beforeprint", () => {
    paint(false);
    for (const chart of charts) Plotly.Plots.resize(chart);
  });
  window.addEventListener("afterprint", () => paint(dark.matches));
})();

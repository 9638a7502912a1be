// Leads from a point, a bar or a cell of a chart to the tasks behind it (dashboard/components/panels.py).
//
// Where a label tells the values of all lines at a time, Streamlit's own selection takes the last line, not the nearest.
(() => {
  "use strict";

  const MOVED_PX = 5; // more is a zoom and no click
  const CHART = ".js-plotly-plot", TASKS = '[data-testid=stSidebarNavLink][href$="/tasks"]';
  let pressedAt = [0, 0];

  const isMoved = (event) =>
    Math.hypot(event.clientX - pressedAt[0], event.clientY - pressedAt[1]) > MOVED_PX;
  const shown = (seconds) => new Date(1000 * Math.floor(seconds)).toISOString().replace(".000Z", "Z");

  function nearest(chart, event) {
    const top = chart.getBoundingClientRect().top;
    const away = ({ bbox }) => {
      const y = event.clientY - top;
      return bbox === undefined || (bbox.y0 <= y && y <= bbox.y1) ? 0 : Math.abs((bbox.y0 + bbox.y1) / 2 - y);
    };
    const isEmpty = ({ data, z }) => data.meta.bounds !== undefined && !Number.isFinite(z); // a cell without tasks
    const known = (chart._hoverdata ?? []).filter((point) => point.data?.meta?.query !== undefined && !isEmpty(point));
    return known.sort((one, other) => away(one) - away(other))[0];
  }

  function address(chart, point, tasks) {
    const { at, step, before } = chart._fullLayout.meta;
    const { query, names, looks_back: looksBack, first, names_of_row: namesOfRow, bounds } = point.data.meta;
    const [row, column] = Array.isArray(point.pointNumber) ? point.pointNumber : [0, point.pointNumber];
    const place = first + column;
    const parameters = new URLSearchParams(query);
    parameters.set(names[0], shown(at[place] - (looksBack ? before[place] ?? 0 : 0)));
    parameters.set(names[1], shown(at[place] + step));
    namesOfRow?.forEach((name, end) => parameters.set(name, bounds[row + end]));
    const url = new URL(tasks.href);
    url.search = parameters;
    return url;
  }

  addEventListener("pointerdown", (event) => (pressedAt = [event.clientX, event.clientY]), true);
  addEventListener(
    "click",
    (event) => {
      const chart = event.target.closest?.(CHART), tasks = document.querySelector(TASKS);
      if (!chart?._fullLayout?.meta?.at || tasks === null || isMoved(event)) return;
      const point = event.target.closest(".legend") ? undefined : nearest(chart, event);
      if (point === undefined) return;
      history.pushState({}, "", address(chart, point, tasks));
      dispatchEvent(new PopStateEvent("popstate")); // Streamlit then shows the page of the new address
    },
    true,
  );
})();

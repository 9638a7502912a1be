"use strict";
// Shows the values at the pointer in the page's charts over time; foreign texts are set as text only.
(() => {
  const values = JSON.parse(document.getElementById("values").textContent);

  function line(text, color) {
    const made = document.createElement("div");
    if (color) {
      const mark = document.createElement("i");
      mark.style.background = color;
      made.append(mark);
    }
    made.append(text);
    return made;
  }

  for (const plot of document.querySelectorAll(".plot")) {
    const shown = values[plot.dataset.values];
    const first = Number(plot.dataset.first);
    const cross = plot.querySelector(".cross"), tip = plot.querySelector(".tip");
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      const at = (share - first) / (1 - first);
      const found = shown.ends.findIndex((end) => at < end);
      const step = found < 0 ? shown.ends.length - 1 : found;
      tip.replaceChildren(
        line(shown.times[step]),
        ...shown.lines.map((one) => line(`${one.name}: ${one.values[step]}`, one.color)),
      );
      cross.style.left = `${100 * share}%`;
      tip.style.left = share < 0.5 ? `calc(${100 * share}% + 10px)` : "auto";
      tip.style.right = share < 0.5 ? "auto" : `calc(${100 * (1 - share)}% + 10px)`;
      cross.hidden = tip.hidden = false;
    });
    plot.addEventListener("pointerleave", () => { cross.hidden = tip.hidden = true; });
  }
})();

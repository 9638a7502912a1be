// What the other scripts share: the page's language and user, texts, and a line for what the viewer must know.
(() => {
  "use strict";

  const NOTICE_MS = 8000, LOOK_MS = 500;
  let timer = 0;

  const style = document.createElement("style");
  style.textContent = `
    [data-testid=stElementContainer]:has(> * :is([data-taskyard-page], [data-taskyard-draft])) { display: none; }
    :root[data-taskyard-theme=dark] [data-selected=true] p { color: #60a5fa; } /* contrast of 4.5 */
    #taskyard-notices { position: fixed; z-index: 1000100; top: 0.5rem; left: 50%; transform: translateX(-50%);
      display: flex; flex-direction: column; gap: 0.5rem; max-width: min(44rem, 92vw); pointer-events: none;
      font: 14px/1.4 "Source Sans", sans-serif; }
    #taskyard-notices > p { margin: 0; padding: 0.5rem 0.9rem; border-radius: 6px; border: 1px solid; }
    #taskyard-notices > p:empty { display: none; }
    .taskyard-notice, .taskyard-late { background: #fffbeb; color: #713f12; border-color: #a16207 !important; }
    .taskyard-lost, .taskyard-stale { background: #fef2f2; color: #7f1d1d; border-color: #b91c1c !important; }`;

  const box = document.createElement("div");
  box.id = "taskyard-notices";
  function line(name) {
    const made = document.createElement("p");
    made.className = name;
    made.setAttribute("role", "status");
    box.append(made);
    return made;
  }
  const lines = { notice: line("taskyard-notice"), lost: line("taskyard-lost") };
  addEventListener("DOMContentLoaded", () => {
    document.head.append(style);
    document.body.append(box);
  });

  // The server learns of another theme only when it draws the page the next time.
  function lookAtTheme() {
    const app = document.querySelector("[data-testid=stApp]");
    const [red, green, blue] = (app && getComputedStyle(app).backgroundColor.match(/[0-9.]+/g)) ?? [255, 255, 255];
    document.documentElement.dataset.taskyardTheme = 2 * red + 5 * green + Number(blue) < 1024 ? "dark" : "light";
  }
  setInterval(lookAtTheme, LOOK_MS);

  const page = () => document.querySelector("[data-taskyard-page]")?.dataset ?? {};
  let known = {}; // of the page, also while the server draws it anew
  const told = (name) => (known = { ...known, ...page() })[name];

  window.taskyard = {
    user: () => told("user") ?? "",
    text: (name) => {
      const texts = window.taskyardTexts;
      return (texts[told("language")] ?? texts[(navigator.language || "en").split("-")[0]] ?? texts.en)[name];
    },
    setLost: (text) => {
      if (lines.lost.textContent !== text) lines.lost.textContent = text;
    },
    notice: (text) => {
      lines.notice.textContent = text;
      clearTimeout(timer);
      timer = setTimeout(() => (lines.notice.textContent = ""), NOTICE_MS);
    },
  };
})();

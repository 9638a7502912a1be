// Tells Streamlit's page where its server is. It would look below the page's own path first, at addresses that do not
// exist: /submit/_stcore/health. It is run before Streamlit's scripts, which read it once.
//
// And tells the server whether the window is narrow, by a cookie (dashboard/components/device.py): lists are cards then.
// The server reads it when a page is loaded.
(() => {
  "use strict";

  const server = document.currentScript.src.replace(/\/browser\/[^/]*$/, "");
  window.__streamlit = { ...window.__streamlit, BACKEND_BASE_URL: server };

  const narrow = matchMedia("(max-width: 640px)"), port = location.port || "80"; // cookies are those of all ports
  const note = () => {
    const rest = `path=${new URL(server).pathname.replace(/\/?$/, "/")}; max-age=31536000; samesite=strict`;
    document.cookie = `taskyard_narrow_${port}=${Number(narrow.matches)}; ${rest}`;
  };
  narrow.addEventListener("change", note);
  note();
})();

// Tells Streamlit's page where its server is. It would look below the page's own path first, at addresses that do not
// exist: /submit/_stcore/health. It is run before Streamlit's scripts, which read it once.
(() => {
  "use strict";

  const server = document.currentScript.src.replace(/\/browser\/[^/]*$/, "");
  window.__streamlit = { ...window.__streamlit, BACKEND_BASE_URL: server };
})();

// The few things that a page in Airflow's frame can't do with HTML alone.
"use strict";

// The theme is that of Airflow, around the frame; without a frame, that of the system.
function applyTheme() {
  let dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (parent !== window) dark = parent.document.documentElement.classList.contains("dark");
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
applyTheme();
if (parent !== window) {
  new MutationObserver(applyTheme).observe(parent.document.documentElement, { attributeFilter: ["class"] });
}

// The frame's sandbox lets no link lead out of it, so the link is made and clicked in the page around it.
function leave(address) {
  const link = parent.document.createElement("a");
  link.href = new URL(address, parent.document.baseURI);
  parent.document.body.append(link);
  link.click();
  link.remove();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-airflow], [data-login]");
  if (!link) return;
  event.preventDefault();
  if ("login" in link.dataset) leave("auth/login?next=" + encodeURIComponent(parent.location.href));
  else leave(link.dataset.airflow);
});

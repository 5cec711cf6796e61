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

// Asks Airflow, with the person's own rights, to read the profiles again, and waits until their DAGs are there.
async function awaitDags(element) {
  const api = new URL(element.dataset.api, location);
  const get = async (path) => {
    const answer = await fetch(new URL(path, api));
    return answer.ok ? answer.json() : {};
  };
  const dags = element.dataset.dags.split(" ").filter(Boolean);
  const lastParsed = async (dag) => (await get("dags/" + dag)).last_parsed_time;
  const before = new Map();
  for (const dag of dags) before.set(dag, await lastParsed(dag));
  if (element.dataset.anyDag) {
    const token = (await get("dags/" + element.dataset.anyDag)).file_token;
    // Answers 409 if the same request waits already, and 403 without the right: then Airflow reads it in its own time.
    if (token) await fetch(new URL("parseDagFile/" + token, api), { method: "PUT" });
  }
  if (!dags.length) return;
  for (let second = 0; second < 60; second++) {
    const parsed = await Promise.all(dags.map(lastParsed));
    if (parsed.every((moment, place) => moment && moment !== before.get(dags[place]))) {
      element.textContent = element.dataset.ready;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  element.textContent = element.dataset.late;
}

document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll("[data-dags]")) awaitDags(element);
});

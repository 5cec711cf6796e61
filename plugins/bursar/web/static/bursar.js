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

// Reads the fields of a form into the values of a run: blank fields are left out.
function readFields(form) {
  const lists = form.dataset.lists.split(" "), numbers = form.dataset.numbers.split(" ");
  const values = {};
  for (const [name, given] of new FormData(form)) {
    const text = given.trim();
    if (!text) continue;
    if (lists.includes(name)) {
      values[name] = [...(values[name] ?? []), ...text.split("\n").map((line) => line.trim()).filter(Boolean)];
    } else values[name] = numbers.includes(name) ? Number(text) : text;
  }
  return values;
}

function explain(status, detail, form) {
  if (status === 401) return "Your login has expired. Load this page again.";
  if (status === 403) return "You do not have the right to do this in Airflow. " + (typeof detail === "string" ? detail : "");
  if (status === 404) return "Airflow does not know this job or run any more. Load this page again.";
  if (status === 409) return form.dataset.conflict;
  const words = typeof detail === "string" ? detail : (detail ?? []).map?.((one) => one.msg).join("; ");
  return "Airflow has refused it. " + (words ?? "");
}

// Sends a form to Airflow's API, with the person's own rights; shows a refusal in words, or opens the next page.
async function send(form, button) {
  const body = JSON.parse(button?.dataset.body ?? form.dataset.body);
  if (body.conf) {
    body.conf = { ...readFields(form), ...body.conf };
    body.dag_run_id = form.dataset.runId; // Airflow refuses a second run of this id: a form sent twice starts one run
  }
  const answer = form.querySelector(".answer");
  const buttons = form.querySelectorAll("button");
  for (const one of buttons) one.disabled = true;
  answer.hidden = true;
  let text;
  try {
    const response = await fetch(new URL(form.dataset.send, location), {
      method: form.dataset.method,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (response.ok) {
      location.assign(form.dataset.then);
      return;
    }
    const result = await response.json().catch(() => ({}));
    text = explain(response.status, result.detail, form);
  } catch {
    text = "Airflow has not answered. Try again: what was done already is not done twice.";
  }
  answer.textContent = text;
  answer.hidden = false;
  for (const one of buttons) one.disabled = false;
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-send]");
  if (!form) return;
  event.preventDefault();
  send(form, event.submitter);
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

// Draws the numbers of a table as a chart beside it. Series differ by pattern, dashes and marks, not only by colour.
"use strict";

const charts = [];

function getColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A tile of stripes in a direction, as the fill of bars.
function stripe(colour, ground, direction) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = ground;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, direction > 0 ? 8 : 0);
    pen.lineTo(shift + 8, direction > 0 ? 0 : 8);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

function readSeries(table) {
  const rows = [...table.tBodies[0].rows];
  return [...table.tHead.rows[0].cells].slice(1).flatMap((head, place) => head.dataset.as === "nothing" ? [] : [{
    label: head.textContent,
    type: head.dataset.as || "bar",
    data: rows.map((row) => row.cells[place + 1].dataset.value).map((value) => value === "" ? null : Number(value)),
  }]);
}

function draw(place) {
  const table = document.getElementById(place.dataset.chartOf);
  const [text, ground, line, first, second] = ["--text", "--ground", "--line", "--link", "--good"].map(getColour);
  const bars = [
    { backgroundColor: first, borderColor: first },
    { backgroundColor: stripe(second, ground, 1), borderColor: second },
  ];
  const datasets = readSeries(table).map((one, number) => ({
    ...one,
    ...(one.type === "line"
      ? { borderColor: text, backgroundColor: text, borderDash: [6, 4], pointStyle: "rectRot", pointRadius: 5, order: -1 }
      : { ...bars[number % bars.length], borderWidth: 1, pointStyle: "rect" }),
  }));
  const axis = { ticks: { color: text }, grid: { color: line }, border: { color: line } };
  charts.push(new Chart(place.querySelector("canvas"), {
    data: { labels: [...table.tBodies[0].rows].map((row) => row.cells[0].textContent), datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      locale: "en-US",
      scales: { x: axis, y: { ...axis, beginAtZero: true } },
      plugins: {
        legend: { display: datasets.length > 1, labels: { color: text, usePointStyle: true, pointStyleWidth: 24 } },
      },
    },
  }));
}

function drawAll() {
  while (charts.length) charts.pop().destroy();
  for (const place of document.querySelectorAll("[data-chart-of]")) draw(place);
}

drawAll();
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });

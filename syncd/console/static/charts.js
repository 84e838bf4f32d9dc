// Charts by Chart.js. Their numbers stand in the page; what they show is told in words or in a table beside them.

const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(`--${name}`).trim();
const ACTIONS = { created: "good", reactivated: "busy", updated: "wait", deactivated: "bad" };

function bars(labels, values, title) {
  return {
    type: "bar",
    data: {
      labels,
      datasets: Object.entries(ACTIONS).map(([name, tone]) => ({ label: name, data: values[name], backgroundColor: colour(tone), stack: "all", maxBarThickness: 40 })),
    },
    options: {
      animation: false,
      maintainAspectRatio: false,
      plugins: { legend: { display: !title, labels: { color: colour("off"), boxWidth: 12 } }, tooltip: { callbacks: title ? { title } : {} } },
      scales: {
        x: { stacked: true, display: !title, ticks: { color: colour("off") }, grid: { display: false } },
        y: { stacked: true, beginAtZero: true, ticks: { color: colour("off"), maxTicksLimit: 4, precision: 0 }, grid: { color: "#8884" } },
      },
    },
  };
}

function draw(canvas) {
  const told = JSON.parse(canvas.dataset.values);
  const settings = canvas.dataset.chart === "trend"
    ? bars(told.runs, told.values, (items) => `Run ${items[0].label}: ${told.states[items[0].dataIndex]}`)
    : bars(told.kinds, told.values, null);
  if (canvas.dataset.chart === "trend") {
    settings.options.onClick = (_event, items) => { if (items.length) location.href = `/runs/${told.runs[items[0].index]}`; };
  }
  new Chart(canvas, settings);
}

document.querySelectorAll("canvas[data-chart]").forEach(draw);

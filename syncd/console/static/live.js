// What changes on a page while it is looked at: log lines and progress, as the server tells them. Without this, a page shows how things
// stood when it was loaded. What a source sent is only ever set as text.

const tones = { warning: "wait", error: "bad", critical: "bad" };
const KEPT = 2000;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function lineElement(line, withRun) {
  const item = element("li", undefined, line.level);
  const time = element("time", line.at.slice(withRun ? 5 : 11, 19).replace("T", " "));
  time.dateTime = line.at;
  item.append(time, " ", element("span", line.level, `badge ${tones[line.level] ?? "off"}`), " ");
  if (withRun) {
    const link = element("a", `${line.source} ${line.run}`);
    link.href = `/runs/${line.run}`;
    item.append(link, " ");
  }
  const fields = Object.entries(line.fields).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  item.append(`${line.event} `, element("span", fields.join(" "), "quiet"));
  return item;
}

function addLine(list, line) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(lineElement(line, list.dataset.lines === ""));
  while (list.children.length > KEPT) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function showProgress(run, progress) {
  const told = [progress.step, progress.resource, progress.documents ? progress.documents.toLocaleString("en") : ""];
  for (const text of document.querySelectorAll(`[data-progress="${run}"]`)) text.textContent = told.filter(Boolean).join(" ");
  for (const bar of document.querySelectorAll(`[data-bar="${run}"]`)) {
    if (progress.total) { bar.max = progress.total; bar.value = progress.documents; } else bar.removeAttribute("value");
  }
}

function watch() {
  const list = document.querySelector("[data-lines]");
  const follow = document.getElementById("follow");
  const waiting = document.querySelectorAll("[data-progress]");
  const running = document.querySelector("[data-run]");
  if (!(list && (list.dataset.lines === "" || running)) && !waiting.length) return;
  const query = new URLSearchParams(list?.dataset.lines === "" ? list.dataset.query : running ? { run: running.dataset.run } : {});
  // One that is shown as running may have ended since the page was made.
  for (const shown of [...waiting].slice(0, 100)) query.append("stands", shown.dataset.progress);
  const events = new EventSource(`/api/events?${query}`);
  const seen = new Set();
  events.addEventListener("line", (event) => {
    const line = JSON.parse(event.data);
    const key = `${line.run}:${line.seq}`;
    if (!list || seen.has(key) || (follow && !follow.checked)) return;
    seen.add(key);
    addLine(list, line);
  });
  events.addEventListener("run", (event) => {
    const { run, state, progress } = JSON.parse(event.data);
    if (progress) showProgress(run, progress);
    const shown = document.querySelector(`[data-progress="${run}"]`);
    if (state !== "running" && shown) location.reload();
  });
  addEventListener("pagehide", () => events.close());
  if (list) list.scrollTop = list.scrollHeight;
}

async function waitForOrder(shown) {
  const answer = await fetch(`/api/orders/${shown.dataset.order}`);
  const order = answer.ok ? await answer.json() : null;
  if (order && order.run && !order.options.dry_run) location.replace(`/runs/${order.run}`);
  else if (order && !["waiting", "running"].includes(order.state)) location.reload();
  else setTimeout(() => waitForOrder(shown), 1000);
}

const ordered = document.querySelector("[data-order]");
if (ordered) waitForOrder(ordered); else watch();

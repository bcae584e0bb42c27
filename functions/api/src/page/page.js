"use strict";
const byId = (id) => document.getElementById(id);
const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const colour = (index) => `hsl(${index * 137 % 360} 62% 48%)`;
const seconds = (text) => Number(text.slice(0, -1)) * { s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 }[text.at(-1)];
const seriesName = ({ __name__: name = "", ...labels }) => {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return name + (pairs.length || !name ? `{${pairs.join(", ")}}` : "");
};
const ago = (time) => {
  const passed = (Date.now() - Date.parse(time)) / 1000;
  if (!(passed < 1e9)) return "never";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]]) if (passed >= size) return `${Math.floor(passed / size)}${unit} ago`;
  return `${Math.max(0, Math.round(passed))}s ago`;
};
async function ask(path, parameters) {
  const options = parameters ? { method: "POST", body: new URLSearchParams(parameters) } : {};
  const response = await fetch(`api/v1/${path}`, options);
  const answer = await response.json();
  const notes = [...(answer.warnings || []), ...(answer.infos || [])];
  if (answer.status !== "success") notes.push(`${answer.errorType}: ${answer.error}`);
  byId("message").textContent = notes.join("\n");
  return answer.data;
}
function table(headings, rows) {
  const made = element("table"), head = made.createTHead().insertRow(), body = made.createTBody();
  for (const heading of headings) head.append(element("th", heading));
  for (const cells of rows) {
    const row = body.insertRow();
    for (const cell of cells) {
      const at = row.insertCell();
      if (cell instanceof Node) at.append(cell); else at.textContent = cell;
    }
  }
  return rows.length ? made : element("p", "Nothing here.");
}

/** About `count` round numbers between two. */
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const made = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) made.push(Math.abs(at) < step / 1e6 ? 0 : at);
  return made;
}
function short(value) {
  const size = Math.abs(value);
  for (const [unit, from] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) if (size >= from) return `${+(value / from).toPrecision(4)}${unit}`;
  return String(+value.toPrecision(4));
}
function graph(matrix, start, end, step) {
  const width = 1200, height = 320, left = 60, bottom = 24, right = 10, top = 8;
  const draw = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "graph" });
  let low = Infinity, high = -Infinity;
  for (const { values } of matrix) for (const [, text] of values || []) {
    const value = Number(text);
    if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
  }
  if (low > high) return element("p", "No finite values to draw.");
  if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1; }
  const x = (at) => left + (at - start) / (end - start) * (width - left - right);
  const y = (value) => height - bottom - (value - low) / (high - low) * (height - top - bottom);
  for (const value of ticks(low, high, 5)) {
    svg.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    svg.append(draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  const every = [60, 300, 900, 3600, 10800, 21600, 86400, 604800].find((size) => (end - start) / size <= 9) || 2592000;
  const zone = new Date().getTimezoneOffset() * 60;
  for (let at = Math.ceil((start - zone) / every) * every + zone; at <= end; at += every) {
    const day = { month: "short", day: "numeric" }, hour = { hour: "2-digit", minute: "2-digit", hour12: false };
    const text = new Date(at * 1000).toLocaleString(undefined, every >= 86400 ? day : hour);
    svg.append(draw("line", { class: "grid", x1: x(at), x2: x(at), y1: top, y2: height - bottom }));
    svg.append(draw("text", { x: x(at), y: height - 8, "text-anchor": "middle" }, text));
  }
  matrix.forEach((one, index) => {
    let path = "", last = -Infinity;
    for (const [at, text] of one.values || []) {
      const value = Number(text);
      if (!Number.isFinite(value)) continue;
      // A missing step is a gap, not a line.
      path += `${at - last > step * 1.5 ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      if (at - last > step * 1.5) path += "h.01";
      last = at;
    }
    const line = draw("path", { class: "series-line", d: path, stroke: colour(index), "stroke-linecap": "round" });
    line.append(draw("title", {}, seriesName(one.metric)));
    svg.append(line);
  });
  return svg;
}
const MOST_ROWS = 1000, MOST_LINES = 100;
async function query(expr, range, end) {
  const step = range && Math.max(1, Math.round(range / 300)), start = end - range;
  const data = await (range ? ask("query_range", { query: expr, start, end, step }) : ask("query", { query: expr, time: end }));
  if (!data) return [];
  const { resultType, result } = data;
  if (resultType === "scalar" || resultType === "string") return [table([resultType, ""], [["", result[1]]])];
  const shown = result.slice(0, MOST_ROWS), notes = [];
  if (shown.length < result.length) notes.push(element("p", `The first ${MOST_ROWS} of ${result.length} series.`));
  const rows = shown.map((one, index) => {
    const name = element("span", undefined, "series");
    if (range) name.append(element("span", undefined, "swatch"));
    if (range) name.firstChild.style.background = colour(index);
    name.append(seriesName(one.metric));
    const last = (one.value || one.values?.at(-1) || one.histogram || one.histograms?.at(-1))[1];
    return [name, typeof last === "string" ? last : JSON.stringify(last)];
  });
  const list = table(["series", resultType === "vector" ? "value" : "last value"], rows);
  const drawn = resultType === "matrix" && range && result.length ? [graph(result.slice(0, MOST_LINES), start, end, step)] : [];
  return [...drawn, ...notes, list];
}
async function alerts() {
  const data = await ask("rules?type=alert");
  const order = ["firing", "pending", "inactive", "unknown"];
  const rules = (data?.groups || []).flatMap((group) => group.rules);
  rules.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const rows = rules.flatMap((rule) => {
    const link = element("a", rule.name);
    link.href = `query?g0.expr=${encodeURIComponent(rule.query)}&g0.tab=1`;
    link.title = rule.query;
    const row = (state, labels, since, value, text) => [element("span", state, `state ${state}`), link.cloneNode(true), labels, since, value, text];
    if (!rule.alerts.length) return [row(rule.state, "", "", "", rule.lastError || "")];
    return rule.alerts.map((alert) => {
      const { alertname, ...labels } = alert.labels;
      const text = alert.annotations.summary || alert.annotations.description || alert.annotations.message || "";
      return row(alert.state, element("code", seriesName(labels)), ago(alert.activeAt), alert.value, text);
    });
  });
  return [table(["state", "alert", "labels", "active", "value", "summary"], rows)];
}
async function targets() {
  const data = await ask("targets?state=active");
  const rows = (data?.activeTargets || []).map((target) => [
    element("span", target.health, `state ${target.health}`), target.scrapePool, element("code", target.scrapeUrl),
    element("code", seriesName(target.labels)), ago(target.lastScrape), `${Math.round(target.lastScrapeDuration * 1000)} ms`, target.lastError,
  ]);
  rows.sort((a, b) => (a[0].textContent === "down" ? 0 : 1) - (b[0].textContent === "down" ? 0 : 1));
  return [table(["state", "job", "address", "labels", "scraped", "took", "error"], rows)];
}

/** Which view the address asks for: `query`, `graph` (as in alerts' links), `alerts`, `targets`, or `#/alerts`. */
function view() {
  const path = location.hash.startsWith("#/alerts") ? "alerts" : location.pathname.split("/").at(-1);
  return ["alerts", "targets"].includes(path) ? path : "query";
}
async function show() {
  const here = view(), form = byId("form"), parameters = new URLSearchParams(location.search);
  for (const link of document.querySelectorAll("nav a")) link.classList.toggle("here", link.dataset.view === here);
  form.hidden = here !== "query";
  byId("message").textContent = "";
  const result = byId("result");
  try {
    let made = [];
    if (here === "query") {
      const expr = parameters.get("g0.expr") || "", input = parameters.get("g0.range_input") || "1h";
      const range = parameters.get("g0.tab") === "0" || parameters.get("g0.tab") === "graph" ? input : "";
      form.elements.expr.value = expr;
      const known = [...form.elements.range.options].some((option) => option.value === range || option.text === range);
      if (!known) form.elements.range.add(new Option(range, range));
      form.elements.range.value = range;
      const asked = Date.parse(`${(parameters.get("g0.end_input") || parameters.get("g0.moment_input") || "").replace(" ", "T")}Z`) / 1000;
      if (expr) made = await query(expr, range && seconds(range), asked || Date.now() / 1000);
    } else {
      made = await (here === "alerts" ? alerts() : targets());
    }
    result.replaceChildren(...made);
  } catch (error) {
    result.replaceChildren();
    byId("message").textContent = String(error);
  }
}
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { expr, range } = event.target.elements;
  const parameters = new URLSearchParams({ "g0.expr": expr.value, "g0.tab": range.value ? "0" : "1" });
  if (range.value) parameters.set("g0.range_input", range.value);
  history.pushState(null, "", `query?${parameters}`);
  show();
});
byId("form").elements.range.addEventListener("change", () => byId("form").requestSubmit());
addEventListener("popstate", show);
show();

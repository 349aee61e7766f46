"use strict";
// The page has all text from elements' textContent and attributes, never from HTML. Amounts are decimal strings in
// the data. Sums are computed in units of 1e-18 USD as BigInt, so that they are exact; charts alone use floats.

const DAY = 86400000;
const SCALE = 18;
const CENT = 10n ** 16n;
const TOP = 12; // rows of a table before "all others"
const GROUPS = 7; // models with a colour of their own
const OWNERS = [
  ["team", "Team (tag)", "untagged"], ["key", "Key or login", "no key"], ["sub_account", "Team (fal)", "no team"],
  ["cost_center", "Cost center", "untagged"], ["project", "Project", "untagged"], ["environment", "Environment", "untagged"],
];
const LINES = { model_apis: "Model APIs", serverless: "Serverless", compute: "Compute", unattributed: "Unattributed" };

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const specs = JSON.parse(byId("charts").textContent);
const state = { account: "", model: "", by: "model", owner: "team", first: 0, last: 0 };
const views = {};

// ---------- exact amounts

function parse(text) {
  if (!text) return 0n;
  const [whole, decimals = ""] = text.split(".");
  return BigInt(whole + decimals.padEnd(SCALE, "0"));
}

function divide(amount, by) {
  // half away from zero, as casts in SQL do
  const negative = amount < 0n !== by < 0n;
  const [a, b] = [amount < 0n ? -amount : amount, by < 0n ? -by : by];
  const quotient = (2n * a + b) / (2n * b);
  return negative ? -quotient : quotient;
}

function place(units, decimals) {
  const text = (units < 0n ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = text.slice(0, text.length - decimals);
  return [units < 0n ? "-" : "", whole, decimals ? `.${text.slice(-decimals)}` : ""];
}

function format(amount, decimals = 2) {
  const [sign, whole, rest] = place(divide(amount, 10n ** BigInt(SCALE - decimals)), decimals);
  return sign + separate(whole) + rest;
}

const separate = (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ",");

function exact(amount) {
  const [sign, whole, rest] = place(amount, SCALE);
  return sign + whole + rest.replace(/\.?0+$/, "");
}

function percent(part, whole, signed) {
  if (whole === 0n) return "–";
  const share = divide(1000n * part, whole);
  const [sign, digits, rest] = place(share, 1);
  return `${signed && share > 0n ? "+" : sign}${separate(digits)}${rest} %`;
}

const float = (amount) => Number(amount) / 1e18;

// ---------- days

const toMs = (day) => Date.parse(`${day}T00:00:00Z`);
const toDay = (ms) => new Date(ms).toISOString().slice(0, 10);

const series = data.series.map(([account, model, first, costs]) => ({
  account, model, first: toMs(first), costs: costs.split(" ").map(parse),
}));
const seen = series.flatMap((one) => [one.first, one.first + (one.costs.length - 1) * DAY]);
const forecastEnd = Math.max(0, ...data.forecasts.map((row) => toMs(row[1])));
const bounds = { first: Math.min(...seen), last: Math.max(...seen), end: Math.max(...seen, forecastEnd) };

// ---------- elements

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function money(amount) {
  return make("td", { class: "n" }, make("data", { value: exact(amount), title: exact(amount) }, format(amount)));
}

function text(value, name = "n") {
  return make("td", { class: name }, value);
}

function bar(one, most) {
  const filled = make("span", { class: "bar" });
  const share = !one.label && most > 0n && one.now > 0n ? Number((1000n * one.now) / most) / 10 : 0;
  filled.style.width = `${share}%`;
  filled.hidden = share === 0;
  return make("td", { class: "share" }, filled);
}

function head(names) {
  const cells = names.map(([name, kind]) => (name ? make("th", { scope: "col", class: kind }, name) : make("td", { class: kind })));
  return make("thead", {}, make("tr", {}, ...cells));
}

function swatch(group) {
  return make("span", { class: `swatch g${group}`, "aria-hidden": "true" });
}

// ---------- selection

const selectedAccount = (name) => state.account === "" || state.account === name;
const selectedModel = (model) => state.model === "" || Number(state.model) === model;
const compares = () => data.accounts.every((one) => !selectedAccount(one.name) || one.compares);

function groupOf(model) {
  return state.by === "line" ? data.models[model].line : model;
}

function groupName(group) {
  if (group === null) return "all others";
  return state.by === "line" ? LINES[group] ?? group : modelName(group);
}

function modelName(place) {
  const { name, line, is_kept } = data.models[place];
  return is_kept || line === "" ? name : `${name}, ${LINES[line] ?? line}`;
}

function rankGroups(chosen) {
  // groups of a colour, by their cost; those after the seventh share one
  const totals = new Map();
  for (const one of chosen) {
    const group = groupOf(one.model);
    totals.set(group, (totals.get(group) ?? 0n) + one.costs.reduce((sum, cost) => sum + cost, 0n));
  }
  const ranked = [...totals].sort(([, a], [, b]) => (a < b ? 1 : a > b ? -1 : 0)).map(([group]) => group);
  return ranked.length > GROUPS + 1 ? { shown: ranked.slice(0, GROUPS), rest: ranked.slice(GROUPS) } : { shown: ranked, rest: [] };
}

function costByDay() {
  const chosen = series.filter((one) => selectedAccount(one.account) && selectedModel(one.model));
  const { shown, rest } = rankGroups(chosen);
  const colours = new Map(shown.map((group, index) => [group, index]));
  const names = [...shown.map(groupName), ...(rest.length ? [`${rest.length} others`] : [])];
  const days = new Map();
  for (const one of chosen) {
    const index = colours.get(groupOf(one.model)) ?? GROUPS;
    one.costs.forEach((cost, offset) => {
      const day = one.first + offset * DAY;
      if (!days.has(day)) days.set(day, Array(names.length).fill(0n));
      days.get(day)[index] += cost;
    });
  }
  return { shown, names, days: new Map([...days].sort(([a], [b]) => a - b)) };
}

// ---------- charts

function stack(cost) {
  const rows = [];
  for (const [day, amounts] of cost.days) {
    let [up, down] = [0n, 0n];
    const total = amounts.reduce((sum, amount) => sum + amount, 0n);
    amounts.forEach((amount, group) => {
      if (amount === 0n) return;
      const from = amount > 0n ? up : down;
      if (amount > 0n) up += amount; else down += amount;
      rows.push({
        start: day, end: day + DAY, group, from: float(from), to: float(from + amount), name: cost.names[group],
        tip: `${toDay(day)}\n${cost.names[group]}: ${format(amount)} USD\nAll of the day: ${format(total)} USD`,
      });
    });
  }
  return rows;
}

function forecast() {
  const names = data.accounts.map((one) => one.name).filter(selectedAccount);
  if (state.model !== "") return [];
  const days = new Map();
  for (const [account, day, expected, lower, upper] of data.forecasts) {
    if (!names.includes(account)) continue;
    const one = days.get(day) ?? { expected: 0n, accounts: 0 };
    days.set(day, { expected: one.expected + parse(expected), accounts: one.accounts + 1, lower, upper });
  }
  return [...days].map(([day, one]) => {
    const band = one.accounts === 1 && names.length === 1;
    const interval = band ? `\n80 % between ${format(parse(one.lower))} and ${format(parse(one.upper))}` : "";
    return {
      start: toMs(day) + DAY / 2, expected: float(one.expected), exact: one.expected,
      lower: band ? Number(one.lower) : null, upper: band ? Number(one.upper) : null,
      tip: `${day}\nForecast: ${format(one.expected)} USD${interval}`,
    };
  });
}

function anomalies(cost) {
  const days = new Map();
  for (const one of data.anomalies) {
    const matches = state.model === "" || one.models.includes(data.models[Number(state.model)].id);
    if (!selectedAccount(one.account) || !matches) continue;
    const day = toMs(one.day);
    days.set(day, [...(days.get(day) ?? []), one.text]);
  }
  return [...days].map(([day, texts]) => ({
    start: day + DAY / 2, tip: texts.slice(0, 4).join("\n"),
    top: float((cost.days.get(day) ?? []).reduce((sum, amount) => (amount > 0n ? sum + amount : sum), 0n)),
  }));
}

function showTip(_, event, __, value) {
  const tip = byId("tip");
  tip.hidden = value === null || value === undefined || value === "";
  if (tip.hidden) return;
  tip.textContent = typeof value === "object" ? String(value.tip ?? "") : String(value);
  const { offsetWidth: width, offsetHeight: height } = tip;
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - width - 8))}px`;
  tip.style.top = `${event.clientY + 14 + height > innerHeight ? event.clientY - height - 8 : event.clientY + 14}px`;
}

async function draw(id) {
  // the interpreter of expressions instead of eval, which the Content-Security-Policy forbids
  // logLevel 1: errors alone, since an empty set of rows is a warning
  const options = { ast: true, logLevel: 1, actions: false, renderer: "svg", defaultStyle: false, tooltip: showTip };
  views[id] = (await vegaEmbed(byId(id), specs[id], options)).view;
  // the element around it has the label, and a table the values
  byId(id).querySelector("svg").setAttribute("aria-hidden", "true");
}

async function setData(id, sets, signals = {}) {
  const view = views[id];
  for (const [name, rows] of Object.entries(sets)) view.data(name, rows);
  for (const [name, value] of Object.entries(signals)) view.signal(name, value);
  // the width of the labels depends on the rows
  await view.resize().runAsync();
}

// ---------- cost a day

let cost = null;

async function showCost() {
  cost = costByDay();
  const ahead = forecast();
  await setData("cost", { cost: stack(cost), forecast: ahead, anomalies: anomalies(cost) }, limits());
  const totals = [...cost.days].map(([day, amounts]) => ({ start: day, cost: float(amounts.reduce((a, b) => a + b, 0n)) }));
  const ends = [bounds.last + DAY, bounds.end + DAY].map((start) => ({ start, cost: 0 }));
  await setData("overview", { totals: [{ start: bounds.first, cost: 0 }, ...totals, ...ends] });
  showLegend(ahead.length > 0);
  showNote(ahead);
  showSum();
  fillOpen();
}

const limits = () => ({ first: state.first, last: state.last + DAY });

function showSum() {
  let sum = 0n;
  for (const [day, amounts] of cost.days) {
    if (day >= state.first && day <= state.last) sum += amounts.reduce((a, b) => a + b, 0n);
  }
  const scope = state.model === "" ? "all models" : modelName(Number(state.model));
  const last = Math.min(state.last, Math.max(state.first, bounds.last));
  byId("sum").replaceChildren(
    make("b", {}, make("data", { value: exact(sum), title: exact(sum) }, format(sum)), " USD"),
    ` from ${toDay(state.first)} to ${toDay(last)}, ${scope}`,
  );
  byId("cost").setAttribute(
    "aria-label", `Cost a day from ${toDay(state.first)} to ${toDay(last)}, ${scope}: ${format(sum)} USD. The table has the values.`,
  );
}

function showLegend(hasForecast) {
  const items = cost.names.map((name, index) => {
    const group = cost.shown[index];
    const filters = state.by === "model" && group !== undefined && state.model === "";
    const label = make(filters ? "button" : "span", filters ? { type: "button", class: "link", title: name } : { title: name }, name);
    if (filters) label.addEventListener("click", () => choose({ model: String(group) }));
    return make("li", {}, swatch(index), label);
  });
  if (hasForecast) items.push(make("li", {}, make("span", { class: "dash" }), "forecast"));
  if (anomalies(cost).length) items.push(make("li", {}, make("span", { class: "triangle" }), "anomaly"));
  byId("legend").replaceChildren(...items);
}

function showNote(ahead) {
  const notes = [];
  const names = data.accounts.map((one) => one.name).filter(selectedAccount);
  const known = new Set(data.forecasts.map((row) => row[0]));
  const missing = names.filter((name) => !known.has(name));
  if (state.model !== "") notes.push("A model has no forecast.");
  else if (missing.length && missing.length < names.length) notes.push(`The forecast leaves out ${missing.join(", ")}: too few days.`);
  else if (missing.length) notes.push("No forecast: too few days.");
  if (ahead.length && names.length > 1) notes.push("Choose one account for the interval of its forecast.");
  const others = series.some((one) => !data.models[one.model].is_kept);
  if (others) notes.push("Models with little cost are summed as all others of their product line.");
  byId("cost-note").textContent = notes.join(" ");
}

function costTable() {
  const rows = [...cost.days].filter(([day]) => day >= state.first && day <= state.last).reverse().map(([day, amounts]) =>
    make("tr", {}, make("th", { scope: "row", class: "day" }, toDay(day)), ...amounts.map(money), money(amounts.reduce((a, b) => a + b, 0n))));
  const ahead = forecast().filter((one) => one.start >= state.first && one.start <= state.last + DAY).reverse().map((one) =>
    make("tr", {}, make("th", { scope: "row", class: "day" }, `${toDay(one.start)} forecast`), ...cost.names.map(() => text("")), money(one.exact)));
  return [head([["Day", ""], ...cost.names.map((name) => [name, "n"]), ["All", "n"]]), make("tbody", {}, ...ahead, ...rows)];
}

function balancesTable() {
  const rows = data.commitments.filter((one) => selectedAccount(one.account)).flatMap((one) =>
    one.amounts.split(" ").map((amount, offset) => make("tr", {},
      make("th", { scope: "row" }, one.id), text(toDay(toMs(one.first) + offset * DAY), "day"), money(parse(amount)), text(one.unit, ""))));
  return [head([["Commitment", ""], ["Day", ""], ["Left", "n"], ["Unit", ""]]), make("tbody", {}, ...rows)];
}

const TABLES = { "cost-table": costTable, "balances-table": balancesTable };

function fillOpen() {
  // tables of charts are long, and built when they are opened
  for (const details of document.querySelectorAll("details[data-table][open]")) fill(details.dataset.table);
}

function fill(id) {
  byId(id).replaceChildren(...TABLES[id]());
}

// ---------- what and who

function sumBy(rows, keyOf) {
  const found = new Map();
  for (const { key, cost: now, last, requests } of rows.map((row) => ({ ...row, key: keyOf(row) }))) {
    const one = found.get(key) ?? { key, now: 0n, last: 0n, requests: null };
    one.now += now;
    one.last += last;
    if (requests !== null) one.requests = (one.requests ?? 0) + requests;
    found.set(key, one);
  }
  return [...found.values()].sort((a, b) => (a.now < b.now ? 1 : a.now > b.now ? -1 : a.last < b.last ? 1 : -1));
}

const monthRows = data.month.map(([account, model, now, last, requests]) => ({ account, model, cost: parse(now), last: parse(last), requests }));
const ownerRows = data.owners.rows.map((row) => {
  const [now, last, requests] = row.slice(-3);
  const names = Object.fromEntries(data.owners.columns.map((column, index) => [column, row[index]]));
  return { ...names, account: data.owners.names[row[0]], cost: parse(now), last: parse(last), requests };
});

function change(one) {
  // a change from a refund has no percentage
  if (one.last <= 0n) return one.last === 0n && one.now !== 0n ? "new" : "–";
  // more than +999.9 % reads better as a factor
  if (one.now >= 11n * one.last) return `×${format(divide(10n ** 18n * one.now, one.last), 1)}`;
  return percent(one.now - one.last, one.last, true);
}

function comparison(one) {
  // without all days of last month, a row has no columns that compare
  if (!compares()) return [];
  const last = money(one.last);
  last.classList.add("wide");
  return [last, text(change(one))];
}

const COMPARED = [["Last month", "n wide"], ["Change", "n"]];

function perRequest(one) {
  if (!one.requests) return text("–", "n wide");
  const amount = divide(one.now, BigInt(one.requests));
  return make("td", { class: "n wide" }, make("data", { value: exact(amount), title: exact(amount) }, format(amount, 4)));
}

const count = (one) => text(one.requests === null ? "–" : one.requests.toLocaleString("en-US"), "n wide");

function showRows(table, header, rows, build) {
  const most = rows.reduce((max, one) => (one.now > max ? one.now : max), 0n);
  const total = { ...rows.reduce((sum, one) => add(sum, one), { now: 0n, last: 0n, requests: null }), most };
  const others = rows.slice(TOP).reduce((sum, one) => add(sum, one), { now: 0n, last: 0n, requests: null });
  const isLong = rows.length > TOP + 1;
  const body = rows.map((one, index) => {
    const row = build(one, total);
    if (isLong && index >= TOP) row.className = "more";
    return row;
  });
  if (isLong) body.push(fillRow("rest", `${rows.length - TOP} others`, others, build, total));
  if (rows.length > 1) body.push(fillRow("total", "All", total, build, total));
  table.replaceChildren(head(header), make("tbody", {}, ...body));
  const more = document.querySelector(`[data-more="${table.id}"]`);
  more.hidden = !isLong;
  more.textContent = table.classList.contains("short") ? `Show all ${rows.length} rows` : `Show ${TOP} rows`;
  more.setAttribute("aria-expanded", String(!table.classList.contains("short")));
}

function add(sum, one) {
  const requests = sum.requests === null && one.requests === null ? null : (sum.requests ?? 0) + (one.requests ?? 0);
  return { now: sum.now + one.now, last: sum.last + one.last, requests };
}

function fillRow(name, label, one, build, total) {
  const row = build({ ...one, key: null, label }, total);
  row.className = name;
  return row;
}

function showModels() {
  const rows = sumBy(monthRows.filter((row) => selectedAccount(row.account) && selectedModel(row.model)), (row) => row.model);
  const header = [["Model", ""], ["", "share"], ["Month to date", "n"], ...(compares() ? COMPARED : []), ["Requests", "n wide"], ["A request", "n wide"]];
  showRows(byId("models-table"), header, rows, (one, total) =>
    make("tr", {}, modelCell(one), bar(one, total.most), money(one.now), ...comparison(one), count(one), perRequest(one)));
}

function modelCell(one) {
  if (one.label) return make("th", { scope: "row" }, one.label);
  const button = make("button", { type: "button", class: "link", title: data.models[one.key].id }, modelName(one.key));
  button.addEventListener("click", () => choose({ model: state.model === String(one.key) ? "" : String(one.key) }));
  return make("th", { scope: "row", class: "name" }, button);
}

function showOwners() {
  const [column, , none] = OWNERS.find(([name]) => name === state.owner);
  const rows = sumBy(ownerRows.filter((row) => selectedAccount(row.account) && selectedModel(row.model)), (row) => row[column]);
  const without = rows.find((one) => one.key === -1);
  const total = rows.reduce((sum, one) => sum + one.now, 0n);
  const share = total > 0n ? `${none}: ${percent(without?.now ?? 0n, total, false)} of cost` : "";
  const isCut = state.model !== "" && ownerRows.some((row) => !data.models[row.model].is_kept);
  byId("untagged").textContent = isCut ? `${share} Owners with little cost have no model, and are left out.` : share;
  const header = [[OWNERS.find(([name]) => name === column)[1], ""], ["", "share"], ["Month to date", "n"], ["Share", "n"], ...(compares() ? COMPARED : []), ["Requests", "n wide"]];
  showRows(byId("owners-table"), header, rows, (one, sum) =>
    make("tr", {}, ownerCell(one, none), bar(one, sum.most), money(one.now), text(percent(one.now, sum.now, false)), ...comparison(one), count(one)));
}

function ownerCell(one, none) {
  if (one.label) return make("th", { scope: "row" }, one.label);
  if (one.key === -1) return make("th", { scope: "row", class: "none" }, none);
  const name = data.owners.names[one.key];
  return make("th", { scope: "row", class: "name", title: name }, (state.owner === "key" && data.owners.labels[one.key]) || name);
}

// ---------- budgets and commitments

async function showBudgets() {
  if (!views.budgets) return;
  const rows = data.budgets.filter((one) => selectedAccount(one.account));
  byId("budgets").hidden = rows.length === 0;
  if (!rows.length) return;
  views.budgets.height(specs.budgets.height * rows.length);
  await setData("budgets", { budgets: rows });
}

async function showBalances() {
  if (!views.balances) return;
  const shown = data.commitments.filter((one) => selectedAccount(one.account));
  byId("balances").hidden = shown.length === 0;
  const rows = shown.flatMap((one) => {
    const group = data.commitments.indexOf(one);
    const amounts = one.amounts.split(" ");
    return one.percents.map((share, offset) => ({
      id: `${one.account} ${one.id}`, group, start: toMs(one.first) + (offset + 1) * DAY, percent: share,
      tip: `${toDay(toMs(one.first) + offset * DAY)}\n${one.id}: ${format(parse(amounts[offset]))} ${one.unit} left (${share} %)`,
    }));
  });
  const ahead = shown.filter((one) => one.is_running).flatMap((one) => {
    const ends = [[toMs(one.first) + one.percents.length * DAY, one.percents.at(-1)], [toMs(one.end) + DAY, one.rest]];
    return ends.map(([start, share]) => ({ id: `${one.account} ${one.id}`, group: data.commitments.indexOf(one), start, percent: share }));
  });
  if (shown.length) await setData("balances", { balances: rows, projections: ahead });
}

function markCommitments() {
  for (const row of document.querySelectorAll("#commitments-table tr[data-commitment]")) {
    const group = data.commitments.findIndex((one) => one.account === row.dataset.account && one.id === row.dataset.commitment);
    if (group >= 0) row.querySelector("th").prepend(swatch(group));
  }
}

// ---------- filters

async function choose(changes) {
  Object.assign(state, changes);
  for (const name of ["account", "model", "by", "owner"]) if (byId(name)) byId(name).value = state[name];
  showAccount();
  await showBudgets();
  await showBalances();
  if (!series.length) return;
  showModels();
  showOwners();
  await showCost();
  await showDays();
}

function showAccount() {
  document.body.classList.toggle("chosen", state.account !== "");
  for (const element of document.querySelectorAll("[data-account]")) element.hidden = !selectedAccount(element.dataset.account);
  for (const element of document.querySelectorAll("[data-scope]")) element.hidden = element.dataset.scope !== state.account;
  showNotices();
}

function showNotices() {
  const [list, button] = [byId("notices"), byId("all-notices")];
  if (!list) return;
  const shown = [...list.children].filter((item) => !item.hidden);
  shown.forEach((item, index) => item.classList.toggle("more", index >= 6 && shown.length > 7));
  byId("calm").hidden = shown.length > 0;
  button.hidden = shown.length <= 7;
  const isShort = list.classList.contains("short");
  button.textContent = isShort ? `Show ${shown.length - 6} more` : "Show fewer";
  button.setAttribute("aria-expanded", String(!isShort));
}

async function showDays() {
  byId("first").value = toDay(state.first);
  byId("last").value = toDay(state.last);
  await setData("cost", {}, limits());
  showSum();
  fillOpen();
}

async function selectDays(first, last) {
  state.first = Math.max(bounds.first, Math.min(first, bounds.end));
  state.last = Math.min(bounds.end, Math.max(last, state.first));
  await showDays();
}

async function brushDays(first, last) {
  // the brush is in pixels of the overview
  const scale = views.overview.scale("x");
  views.overview.signal("brush_x", [scale(first), scale(last + DAY)]);
  await views.overview.runAsync();
  await selectDays(first, last);
}

function listenToBrush() {
  // dates move the brush as well, so only a pointer on the overview selects days
  let [timer, brushing] = [0, false];
  byId("overview").addEventListener("pointerdown", () => { brushing = true; });
  window.addEventListener("pointerup", () => setTimeout(() => { brushing = false; }, 200));
  window.addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => brushDays(state.first, state.last), 200);
  });
  views.overview.addSignalListener("brush", (_, value) => {
    if (!brushing) return;
    const range = value.start;
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!range) selectDays(bounds.first, bounds.end);
      else selectDays(Math.floor(range[0] / DAY) * DAY, Math.ceil(range[1] / DAY) * DAY - DAY);
    }, 60);
  });
}

function listen() {
  for (const name of ["account", "model", "by", "owner"]) byId(name)?.addEventListener("change", () => choose({ [name]: byId(name).value }));
  for (const name of ["first", "last"]) {
    byId(name)?.addEventListener("change", () => {
      const [first, last] = [toMs(byId("first").value), toMs(byId("last").value)];
      // a date beyond the other one moves it
      if (Number.isNaN(first + last)) showDays();
      else if (name === "first") brushDays(first, Math.max(first, last));
      else brushDays(Math.min(first, last), last);
    });
  }
  byId("reset")?.addEventListener("click", () => choose({ model: "" }).then(() => brushDays(initialDays().first, initialDays().last)));
  byId("all-notices")?.addEventListener("click", () => { byId("notices").classList.toggle("short"); showNotices(); });
  for (const details of document.querySelectorAll("details[data-table]")) details.addEventListener("toggle", fillOpen);
  for (const button of document.querySelectorAll("[data-csv]")) button.addEventListener("click", () => download(button.dataset.csv));
  for (const button of document.querySelectorAll("[data-more]")) {
    button.addEventListener("click", () => { byId(button.dataset.more).classList.toggle("short"); showModels(); showOwners(); });
  }
  views.cost?.addEventListener("click", (_, item) => {
    const group = item?.datum && "group" in item.datum ? cost.shown[item.datum.group] : undefined;
    if (state.by === "model" && group !== undefined) choose({ model: state.model === "" ? String(group) : "" });
  });
}

// ---------- CSV

function quote(value, isNumber) {
  // a spreadsheet would run a text that begins like a formula
  const safe = !isNumber && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function cellText(cell) {
  const amount = cell.querySelector("data");
  if (amount) return quote(amount.value, true);
  const value = cell.textContent.trim();
  return value === "–" ? "" : quote(value, /^[+-]?[\d,.]+( %)?$/.test(value));
}

function toCsv(table) {
  const rows = [...table.rows].filter((row) => !row.hidden && row.className !== "rest" && row.className !== "total");
  return rows.map((row) => [...row.cells].filter((cell) => !cell.classList.contains("share")).map(cellText).join(",") + "\r\n").join("");
}

function download(id) {
  const url = URL.createObjectURL(new Blob([toCsv(byId(id))], { type: "text/csv" }));
  make("a", { href: url, download: `fal-${id.replace("-table", "")}-${data.until}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// ---------- start

function fillSelects() {
  const used = new Set(series.map((one) => one.model));
  data.models.forEach((model, index) => { if (used.has(index)) byId("model").append(make("option", { value: index }, modelName(index))); });
  const owners = OWNERS.filter(([column]) => column === "key" || ownerRows.some((row) => row[column] !== -1));
  state.owner = owners[0][0];
  byId("owner").append(...owners.map(([column, label]) => make("option", { value: column }, label)));
}

function initialDays() {
  // the forecast until the end of the month; the overview has the next one as well
  const last = new Date(bounds.last);
  const monthEnd = Date.UTC(last.getUTCFullYear(), last.getUTCMonth() + 1, 0);
  const first = bounds.last - bounds.first > 150 * DAY ? bounds.last - 89 * DAY : bounds.first;
  return { first, last: Math.min(bounds.end, monthEnd) };
}

async function start() {
  if (series.length) {
    fillSelects();
    await Promise.all([draw("cost"), draw("overview")]);
    Object.assign(state, initialDays());
    listenToBrush();
  }
  if (data.budgets.length) await draw("budgets");
  if (data.commitments.length) await draw("balances");
  markCommitments();
  listen();
  await choose({});
  if (series.length) await brushDays(state.first, state.last);
  document.documentElement.dataset.ready = "true";
}

start();

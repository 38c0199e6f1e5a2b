"use strict";
const one = (selector, within = document) => within.querySelector(selector);
const every = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// --- theme: the system's, or the one that was chosen here before
{
  const themes = ["system", "light", "dark"];
  const button = one("#theme");
  const choose = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    one("span", button).textContent = theme;
  };
  let theme = "system";
  try { theme = localStorage.getItem("theme") || theme; } catch { /* a page from file:// may have no storage */ }
  if (!themes.includes(theme)) theme = "system";
  choose(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    choose(theme);
    try { localStorage.setItem("theme", theme); } catch { /* then it lasts until the page is closed */ }
  });
}

// --- tables: a head with data-sort sorts; what has no value comes last in either order
const valueOf = (cell) => cell.dataset.v ?? cell.textContent.trim();
const byNumber = (a, b) => Number(a) - Number(b);
const byText = (a, b) => a.localeCompare(b, "en", { numeric: true });
function sortBy(table, column, heading) {
  const up = heading.getAttribute("aria-sort") !== "ascending";
  const compare = heading.dataset.sort === "number" ? byNumber : byText;
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
  rows.sort(([a], [b]) => (a === "") - (b === "") || (a === "" ? 0 : up ? compare(a, b) : compare(b, a)));
  body.append(...rows.map(([, row]) => row));
  for (const other of every("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
}
for (const table of every("table.sortable")) {
  every("thead th", table).forEach((heading, column) => {
    if (!heading.dataset.sort) return;
    const button = make("button", { type: "button", textContent: heading.textContent });
    button.addEventListener("click", () => sortBy(table, column, heading));
    heading.replaceChildren(button);
  });
}

// --- filters: a form filters the rows or items of the element that it names
for (const form of every("form.filters")) {
  const target = document.getElementById(form.dataset.for);
  const items = target.tBodies ? [...target.tBodies[0].rows] : [...target.children];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const apply = () => {
    const wanted = every("select[data-key]", form).filter((select) => select.value);
    const words = one("input", form).value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, at) => {
      const fits = wanted.every((select) => item.dataset[select.dataset.key] === select.value);
      item.hidden = !(fits && words.every((word) => texts[at].includes(word)));
      shown += !item.hidden;
    });
    one("output", form).textContent = shown === items.length ? `all ${items.length}` : `${shown} of ${items.length}`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.reset();
  apply();
}

// --- commands to copy
for (const command of every(".cmd")) {
  const code = one("code", command);
  const button = make("button", { type: "button", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy: ${code.textContent}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  command.append(button);
}

// --- explorer of runs
if (one("#explorer")) {
  const data = JSON.parse(one("#explorer-data").textContent);
  const lanes = one("#lanes"), picker = one("#run"), tip = one("#tip");
  const LANE_REM = 2.7, LABEL_PX = 60;
  let zoom = 1, current = null, focused = 0;

  const groups = new Map();
  data.runs.forEach((run, at) => {
    const name = `${run.case} (${run.node})`;
    if (!groups.has(name)) groups.set(name, picker.appendChild(make("optgroup", { label: name })));
    const ready = run.ready_s === null ? "not ready" : `${run.ready_s.toFixed(2)} s`;
    groups.get(name).append(make("option", { value: at, textContent: `${run.run}, ${run.kind}, ${ready}${run.counts ? "" : ", does not count"}` }));
  });

  const describe = (run, [begin, length, phase, role, hook]) => {
    const [name, meaning] = data.phases[phase];
    const at = (ticks) => (ticks / data.ticks_per_s).toFixed(3);
    const place = run.ordered ? `${at(begin)} to ${at(begin + length)} s after exec` : "in all; its order is not recorded";
    return { name, about: `${at(length)} s, ${data.roles[role]} process, ${place}`, meaning, hook: data.hooks[hook] };
  };

  const showTip = (piece) => {
    const told = describe(current, current.pieces[piece.dataset.at]);
    tip.replaceChildren(make("b", { textContent: told.name }), told.about);
    if (told.meaning) tip.append(make("span", { className: "sub", textContent: told.meaning, style: "color:inherit;opacity:.85" }));
    if (told.hook) tip.append(make("span", { className: "hook", textContent: told.hook }));
    tip.hidden = false;
    const box = piece.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - own.width - 8));
    const above = box.top - own.height - 8;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${(above > 50 ? above : box.bottom + 8) + scrollY}px`;
  };
  const hideTip = () => { tip.hidden = true; };

  const tickStep = (length_s, width) => {
    const rough = length_s / Math.max(2, width / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
  };

  const draw = () => {
    const run = current;
    const length = Math.max(1, ...run.pieces.map(([begin, took]) => begin + took));
    const roles = [...new Set(run.pieces.map((piece) => piece[3]))];
    lanes.style.width = `${100 * zoom}%`;
    const width = lanes.clientWidth;
    lanes.style.height = `${roles.length * LANE_REM + 1.5}rem`;
    const parts = [];
    const step = tickStep(length / data.ticks_per_s, width);
    for (let s = 0; s <= length / data.ticks_per_s; s += step) {
      const tick = make("div", { className: "tick", textContent: `${Number(s.toPrecision(6))} s` });
      tick.style.left = `${(100 * s * data.ticks_per_s) / length}%`;
      tick.setAttribute("aria-hidden", "true");
      parts.push(tick);
    }
    roles.forEach((role, at) => {
      const lane = make("div", { className: "lane" }, make("span", { textContent: data.roles[role] }));
      lane.style.top = `${at * LANE_REM}rem`;
      lane.setAttribute("aria-hidden", "true");
      parts.push(lane);
    });
    run.pieces.forEach((each, at) => {
      const [begin, took, phase, role] = each;
      const told = describe(run, each);
      const share = took / length;
      const piece = make("button", { type: "button", className: `piece f-${data.phases[phase][2] || "other"}`, tabIndex: at === focused ? 0 : -1 });
      if (share * width > LABEL_PX) { piece.classList.add("label"); piece.textContent = told.name; }
      piece.dataset.at = at;
      piece.style.cssText = `left:${(100 * begin) / length}%;width:${100 * share}%;top:${roles.indexOf(role) * LANE_REM + 1.05}rem`;
      piece.setAttribute("aria-label", [told.name, told.about, told.meaning, told.hook].filter(Boolean).join("; "));
      parts.push(piece);
    });
    lanes.replaceChildren(...parts);
  };

  const choose = (at) => {
    current = data.runs[at];
    focused = 0;
    zoom = 1;
    picker.value = at;
    hideTip();
    const ready = current.ready_s === null ? "was never ready" : `ready after ${current.ready_s.toFixed(3)} s`;
    const order = current.ordered ? "" : "; only sums are known of it, drawn in the order in which a start usually goes";
    one("#run-about").textContent = `${current.case}, run ${current.run} (${current.kind}), ${ready}, ${current.pieces.length} pieces${order}`;
    draw();
  };

  const pieceAt = (number) => one(`.piece[data-at="${number}"]`, lanes);
  lanes.addEventListener("keydown", (event) => {
    const last = current.pieces.length - 1;
    const moves = { ArrowRight: focused + 1, ArrowDown: focused + 1, ArrowLeft: focused - 1, ArrowUp: focused - 1, Home: 0, End: last, PageDown: focused + 10, PageUp: focused - 10 };
    if (event.key === "Escape") hideTip();
    if (!(event.key in moves)) return;
    event.preventDefault();
    pieceAt(focused).tabIndex = -1;
    focused = Math.max(0, Math.min(last, moves[event.key]));
    pieceAt(focused).tabIndex = 0;
    pieceAt(focused).focus();
  });
  lanes.addEventListener("focusin", (event) => {
    if (!event.target.matches(".piece")) return;
    pieceAt(focused).tabIndex = -1;
    focused = Number(event.target.dataset.at);
    event.target.tabIndex = 0;
    showTip(event.target);
  });
  lanes.addEventListener("focusout", hideTip);
  lanes.addEventListener("pointerover", (event) => { if (event.target.matches(".piece")) showTip(event.target); });
  lanes.addEventListener("pointerleave", hideTip);
  one(".lanes-scroll").addEventListener("scroll", () => {
    if (document.activeElement.matches(".piece")) showTip(document.activeElement);
    else hideTip();
  });
  picker.addEventListener("change", () => choose(Number(picker.value)));
  one("#wider").addEventListener("click", () => { zoom = Math.min(32, zoom * 2); draw(); });
  one("#narrower").addEventListener("click", () => { zoom = Math.max(1, zoom / 2); draw(); });
  let drawnWidth = 0;
  new ResizeObserver(() => {
    const width = one(".lanes-scroll").clientWidth;
    if (width !== drawnWidth) { drawnWidth = width; hideTip(); draw(); }
  }).observe(one(".lanes-scroll"));

  const numbers = new Map(data.runs.map((run, at) => [`${run.node}|${run.case}|${run.run}`, at]));
  for (const row of every("#runs-table tbody tr")) {
    const at = numbers.get(row.dataset.run);
    if (at === undefined) continue;
    const cell = row.cells[1];
    const button = make("button", { type: "button", textContent: cell.textContent });
    button.setAttribute("aria-label", `Explore ${row.cells[0].textContent}, run ${cell.textContent}`);
    button.addEventListener("click", () => {
      choose(at);
      one("#explorer").scrollIntoView({ block: "start" });
      pieceAt(0).focus({ preventScroll: true });
    });
    cell.replaceChildren(button);
  }
  const first = data.runs.findIndex((run) => run.ordered && run.counts);
  choose(Math.max(0, first));
}

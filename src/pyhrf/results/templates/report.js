"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
// Wong's, in the shades that the page has in the light and in the dark; for SVG, not for a canvas.
const COLOURS = [1, 2, 3, 4, 5, 6].map(k => `var(--c${k})`);
const byNumber = new Map(data.parcels.map(parcel => [parcel.parcel, parcel]));
const $ = id => document.getElementById(id);
const show = (value, digits) => value === null || value === undefined ? "n/a" : value.toFixed(digits);

{% include "report_figures.js" %}

const DASHES = ["none", "6 2", "2 2", "7 2 2 2", "4 4", "1 3"];  // never colour alone
const style = k => `stroke="${COLOURS[k % COLOURS.length]}" stroke-dasharray="${DASHES[k % DASHES.length]}"`;

// ---- responses ---------------------------------------------------------------------------------

let low = -0.3, high = 1.1, first = 0, last = 1;
for (const one of Object.values(data.hrfs)) {
  first = Math.min(first, ...one.time);  // of bins the middle counts
  last = Math.max(last, ...one.time);
  low = Math.min(low, ...one.hrf.filter(value => value !== null));
  high = Math.max(high, ...one.hrf.filter(value => value !== null));
}
const X = time => 100 * (time - first) / (last - first);
const Y = value => 60 * (high - Math.min(Math.max(value, low - 0.2), high + 0.2)) / (high - low);

function path(time, values, x, y) {
  let started = false;
  return time.map((t, i) => {
    if (values[i] === null) { return ""; }
    const command = started ? "L" : "M";
    started = true;
    return command + x(t).toFixed(1) + " " + y(values[i]).toFixed(1);
  }).join("");
}

function band(one, x, y) {  // ± the standard deviation
  const known = one.time.map((t, i) => i).filter(i => one.hrf[i] !== null && one.sd[i] !== null);
  const point = (i, sign) => x(one.time[i]).toFixed(1) + "," + y(one.hrf[i] + sign * one.sd[i]).toFixed(1);
  const points = known.map(i => point(i, 1)).concat(known.reverse().map(i => point(i, -1)));
  return `<polygon points="${points.join(" ")}" fill="var(--blue)" fill-opacity=".2"/>`;
}

function curves(one, x, y, width) {
  const own = Object.values(one.own).map((curve, k) =>
    `<path d="${path(one.time, curve.hrf, x, y)}" fill="none" ${style(k)} stroke-width="${.6 * width}"/>`);
  return band(one, x, y) + own.join("") + `<path d="${path(one.time, one.hrf, x, y)}" fill="none"
    stroke="${own.length ? "var(--ink)" : "var(--blue)"}" stroke-width="${width}"/>`;
}

const drawHrf = number => `<svg viewBox="-3 -2 106 66" aria-hidden="true">
  <line x1="0" x2="100" y1="${Y(0)}" y2="${Y(0)}" stroke="var(--edge)" stroke-width=".6"/>
  ${curves(data.hrfs[number], X, Y, 1.4)}</svg>`;

function heightsOf(number) {
  const { hrf, own } = data.hrfs[number];
  const all = [hrf, ...Object.values(own).map(curve => curve.hrf)].flat();
  return [Math.min(low, ...all.filter(value => value !== null)), Math.max(high, ...all)];
}

const legend = () => [['stroke="var(--ink)"', "all together"],
  ...conditions.map((name, k) => [style(k), name])];
const chartHrf = (number, title, label) => chart({
  title, legend: conditions.length ? legend() : [], width: 260, height: 170, x: [first, last], y: heightsOf(number), label,
  xName: "seconds after an event", yName: "response, largest = 1",
  inside: (x, y) => `<line x1="${x(first)}" x2="${x(last)}" y1="${y(0)}" y2="${y(0)}" stroke="var(--edge)"/>` +
    curves(data.hrfs[number], x, y, 2),
});

const conditions = Object.keys(Object.values(data.hrfs)[0]?.own ?? {});
const line = attributes => `<svg viewBox="0 0 30 8" width="30" height="8" aria-hidden="true">
  <line x1="0" x2="30" y1="4" y2="4" stroke-width="2" ${attributes}/></svg>`;
if (conditions.length && $("legend")) {
  $("legend").innerHTML = line('stroke="var(--ink)"') + " all conditions together ";
  conditions.forEach((name, k) => {
    $("legend").insertAdjacentHTML("beforeend", line(style(k)));
    $("legend").append(` ${name} `);
  });
}

const quality = parcel =>
  parcel.hrf_quality === undefined || parcel.hrf_quality === null ? "" :
    ` quality ${parcel.hrf_quality.toFixed(2)},`;
const isKnown = value => value !== undefined && value !== null;
const explained = parcel =>
  (isKnown(parcel.r2) ? `, R² ${parcel.r2.toFixed(2)}` : "") +
  (isKnown(parcel.r2_held_out) ? `, held out ${parcel.r2_held_out.toFixed(3)}` : "") +
  (isKnown(parcel.delta_canonical) ? `, ${parcel.delta_canonical.toFixed(1)} ± ` +
    `${show(parcel.delta_canonical_sd, 1)} nats over the canonical response` : "");
let chosen = null;
const boxes = new Map();
for (const parcel of data.assumed ? [] : data.parcels) {
  const number = parcel.parcel;
  if (!data.hrfs[number]) { continue; }
  const box = button("", `${fullName(number)}: ${parcel.n_positions} ${data.place}s,${quality(parcel)} ` +
    `peak at ${show(parcel.time_to_peak, 1)} s, ` +
    `width ${show(parcel.fwhm, 1)} s${explained(parcel)}`, () => { choose(number); goTo(number); });
  const weak = parcel.hrf_quality !== null && parcel.hrf_quality < data.low_quality;
  box.className = weak ? "hrf weak" : "hrf";
  box.dataset.parcel = number;
  box.tabIndex = -1;  // of many buttons one is reached by Tab, the others by arrow keys
  box.setAttribute("aria-pressed", "false");
  box.innerHTML = `<span class="name"><b class="region"></b>
    <span class="soft">${show(parcel.time_to_peak, 1)} s</span></span>${drawHrf(number)}`;
  box.querySelector("b").textContent = data.regions[number] ?? number;  // never as HTML: it is of a file
  boxes.set(number, box);
}

function focusOf(box) {
  for (const one of boxes.values()) { one.tabIndex = one === box ? 0 : -1; }
}

function startGrid() {
  const grid = $("grid");
  grid.classList.toggle("many", boxes.size > 60);
  for (const id of ["sort", "down", "least"]) { $(id).addEventListener("input", sortHrfs); }
  grid.addEventListener("keydown", event => {
    const all = [...grid.children], at = all.indexOf(document.activeElement);
    const across = all.filter(box => box.offsetTop === all[0].offsetTop).length;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - across, ArrowDown: at + across,
      Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || !all[to]) { return; }
    event.preventDefault();
    focusOf(all[to]);
    all[to].focus();
  });
  $("all").append(button("all as TSV", "save all responses as TSV", () =>
    save("responses.tsv", asTsv(hrfTable([...boxes.keys()])), "text/tab-separated-values")));
  sortHrfs();
}

function sortHrfs() {
  const key = $("sort").value, down = $("down").checked ? -1 : 1;
  const least = Number($("least").value);
  const value = number => {
    const found = byNumber.get(number)[key];
    return found === null || found === undefined ? Infinity * down : found;
  };
  const numbers = [...boxes.keys()].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return x === y ? a - b : (x < y ? -down : down);
  });
  const shown = numbers.filter(n => least === 0 || (byNumber.get(n).hrf_quality ?? 1) >= least);
  $("grid").replaceChildren(...shown.map(number => boxes.get(number)));
  focusOf(boxes.get(shown.includes(chosen) ? chosen : shown[0]));
  $("leastText").textContent = least.toFixed(2);
  $("count").textContent = `${shown.length} of ${numbers.length} responses`;
}
if ($("grid")) { startGrid(); }
if ($("assumed") && data.parcels.length) {
  const number = data.parcels[0].parcel;
  $("assumed").innerHTML = chartHrf(number, "", "the response that was assumed for all parcels");
  addDownloads($("assumed"), "assumed_response", () => hrfTable([number]));
}

// The criterion after each iteration, one line for each chain.
function drawTrace(number) {
  const chains = data.traces[number];
  if (!chains) { return ""; }
  const xs = chains.flatMap(chain => chain[0]), ys = chains.flatMap(chain => chain[1]);
  const [first, end] = [Math.min(...xs), Math.max(...xs)];
  const [bottom, top] = [Math.min(...ys), Math.max(...ys)];
  const lines = (x, y) => chains.map(([at, value], k) =>
    `<polyline points="${at.map((one, i) => `${x(one).toFixed(1)},${y(value[i]).toFixed(1)}`).join(" ")}"
      fill="none" stroke-width="1.5" ${chains.length > 1 ? style(k) : 'stroke="var(--blue)"'}/>`).join("");
  return `<div>${chart({ width: 260, height: 130, x: [first, end], y: [bottom, top], inside: lines,
    xName: "iteration", yName: data.criterion, yTicks: 3, title: fullName(number),
    label: `convergence of ${fullName(number)}: ` +
      `${data.criterion} ${cell(ys[0])} to ${cell(ys.at(-1))} from iteration ${first} to ${end}` })}</div>`;
}

// The response and the course of the criterion of one parcel, larger, beside the maps.
function showChosen(number) {
  const parcel = byNumber.get(number), one = data.hrfs[number];
  $("chosen").innerHTML = one
    ? `<b></b> <span class="soft small">${parcel.n_positions} ${data.place}s${data.assumed ? "" :
        `,${quality(parcel)} peak ${show(parcel.time_to_peak, 1)} s`}${explained(parcel)}</span>
       ${data.assumed ? "" : "<div></div>"}${drawTrace(number)}`
    : (number ? `<b></b> <span class="soft small">was not estimated</span>` : "");
  if (number) { $("chosen").querySelector("b").textContent = fullName(number); }
  if (!one || data.assumed) { return; }
  const [response, trace] = $("chosen").querySelectorAll(":scope > div");
  response.innerHTML = chartHrf(number, fullName(number), `response of ${fullName(number)}, peak at ${show(parcel.time_to_peak, 1)} s`);
  addDownloads(response, `response_parcel_${number}`, () => hrfTable([number]));
  if (trace) { addDownloads(trace, `convergence_parcel_${number}`, () => traceTable(number)); }
}

function hrfTable(numbers) {
  const rows = [["parcel", "region", "condition", "time", "hrf", "sd"]];
  for (const number of numbers) {
    const { time, own, ...all } = data.hrfs[number];
    for (const [condition, curve] of [[null, all], ...Object.entries(own)]) {
      time.forEach((t, i) => rows.push(
        [number, data.regions[number], condition, t, curve.hrf[i], curve.sd[i]]));
    }
  }
  return rows;
}

const traceTable = number => [["parcel", "chain", "iteration", "criterion"],
  ...data.traces[number].flatMap((chain, k) =>
    chain[0].map((iteration, i) => [number, k + 1, iteration, chain[1][i]]))];

function mark(number, is) {
  boxes.get(number).classList.toggle("chosen", is);
  boxes.get(number).setAttribute("aria-pressed", String(is));
}

function choose(number) {
  if (boxes.has(chosen)) { mark(chosen, false); }
  chosen = number;
  if (boxes.has(number)) {
    const box = boxes.get(number), grid = $("grid");
    mark(number, true);
    focusOf(box);
    // Within the list only: the page stays where the reader looks.
    const above = box.offsetTop - grid.offsetTop;
    if (above < grid.scrollTop || above + box.offsetHeight > grid.scrollTop + grid.clientHeight) {
      grid.scrollTop = above - 40;
    }
  }
  if ($("chosen")) { showChosen(number); }
  document.dispatchEvent(new CustomEvent("parcel", { detail: number }));
}

// ---- maps --------------------------------------------------------------------------------------

function decode(text, Kind) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) { bytes[i] = raw.charCodeAt(i); }
  return new Kind(bytes.buffer);
}

{% include "report_mesh.js" %}

{% include "report_slices.js" %}

let goTo = () => {}, goToPeak = () => {};
if (data.maps && data.maps.maps.length) { startViewer(data.maps); }

function startViewer(maps) {
  const index = decode(maps.index, Int32Array), labels = decode(maps.labels, Int32Array);
  const tables = {};
  for (const kind in maps.colours) { tables[kind] = decode(maps.colours[kind], Uint8Array); }
  const cache = new Map();
  const WHOLE = ["probability", "sides", "flag", "labels"];
  let map = maps.maps[0], values = null, threshold = 0, most = 1, seen = null;

  function load(name) {
    map = maps.maps.find(one => one.name === name);
    map.fine = map.kind === "labels" ? 0 : (map.high - map.low) / 65534;  // values are rounded
    if (!cache.has(name) && map.kind === "labels") {
      cache.set(name, Float32Array.from(labels));
    } else if (!cache.has(name)) {
      const codes = decode(map.data, Int16Array), found = new Float32Array(codes.length);
      const scale = (map.high - map.low) / 32767;
      codes.forEach((code, i) => { found[i] = code === -32768 ? NaN : map.low + code * scale; });
      cache.set(name, found);
    }
    values = cache.get(name);
    most = Math.max(map.top, ...(WHOLE.includes(map.kind) ? [] : [map.low, map.high].map(Math.abs)));
    $("threshold").min = $("exact").min = map.kind === "sides" ? .5 : 0;
    $("threshold").max = $("exact").max = most;
    for (const id of ["threshold", "exact"]) {
      $(id).disabled = map.kind === "labels";
    }
    setThreshold(map.threshold);
    drawBar();
  }

  function setThreshold(value) {
    threshold = value;
    $("threshold").value = value;
    $("exact").value = Number(value.toPrecision(6));
  }

  const strength = value => map.kind === "sides" ? Math.max(value, 1 - value) : Math.abs(value);
  const hides = value => Number.isNaN(value) || strength(value) < threshold - map.fine;

  function sayShown() {
    const at = Number(threshold.toPrecision(6));
    const unit = map.unit && !map.unit.startsWith("probability") ? ` ${map.unit}` : "";
    const rule = {
      probability: `a probability of at least ${at}`,
      sides: `a probability of at least ${at} that it is above 0 (red), or below it (blue)`,
      z: `|z| of at least ${at}` + (at === 3.1 ? " (p < .001, one-sided, uncorrected)" : ""),
      flag: `at least ${at}`,
    }[map.kind] ?? (at === 0 ? "all" : `at least ${at}${unit} from 0`) +
      (map.kind === "amount" && map.low < 0 ? ", pink below 0" : "");
    const count = values.reduce((sum, value) => sum + !hides(value), 0);
    const missed = map.missed !== null && threshold === map.threshold
      ? ` Nothing reaches ${map.missed}, the usual threshold.` : "";
    $("shown").textContent = map.kind === "labels" ? `${map.text}.`
      : `${map.text}. Shown: ${rule}; ${count} of ${values.length} ${data.place}s.${missed}`;
  }

  function range() {
    if (["levels", "z"].includes(map.kind)) { return [-map.top, map.top]; }
    if (map.kind === "time") { return [Math.max(map.low, 0), map.top]; }
    return [0, map.top];
  }

  function colour(value) {
    if (map.kind === "amount" && value < 0) { return [204, 121, 167]; }  // there is nothing to share
    const i = 3 * place(value), table = tables[map.kind];
    return [table[i], table[i + 1], table[i + 2]];
  }

  function place(value) {  // in the table of 256
    if (map.kind === "labels") { return (value * 97) % 256; }
    const [bottom, top] = range();
    return Math.max(0, Math.min(255, Math.round(255 * (value - bottom) / (top - bottom))));
  }

  function drawBar() {
    const canvas = $("bar").querySelector("canvas"), context = canvas.getContext("2d");
    canvas.width = 256;
    canvas.height = 1;
    const image = context.createImageData(256, 1), table = tables[map.kind];
    for (let i = 0; i < 256; i++) {
      for (let c = 0; c < 3; c++) { image.data[4 * i + c] = table[3 * i + c]; }
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    const [bottom, top] = range();
    $("bar").hidden = map.kind === "labels";
    $("bottom").textContent = Number(bottom.toPrecision(3));
    $("top").textContent = `${Number(top.toPrecision(3))} ${map.unit || (map.kind === "z" ? "z" : "")}`;
  }

  // Cuts and meshes know their own voxels and nodes; here these are counted one after the other.
  function makePart(make, one, size) {
    const here = new Int32Array(size).fill(-1);
    index.forEach((place, i) => {
      if (place >= one.first && place < one.first + size) { here[place - one.first] = i; }
    });
    const colours = {
      isOfParcel: at => here[at] >= 0,
      rgb: at => {  // null where nothing is to be seen
        const value = here[at] >= 0 ? values[here[at]] : NaN;
        return hides(value) ? null : colour(value);
      },
    };
    function pick(at, where) {
      seen = { i: here[at], where };
      tell();
      if (seen.i >= 0 && labels[seen.i] !== chosen) { choose(labels[seen.i]); }
    }
    const part = make(one, colours, pick);
    // Where it is strongest, of where it shows much; the latter counts more.
    const better = (i, best) => {
      const [clear, clearBest] = [i, best].map(k => part.showsMuch(index[k] - one.first));
      if (clear !== clearBest) { return clear; }
      return Number.isNaN(values[best]) || strength(values[i]) > strength(values[best]);
    };
    let strongest = -1;
    for (const i of here) {
      if (i >= 0 && (strongest < 0 || better(i, strongest))) { strongest = i; }
    }
    return Object.assign(part, { first: one.first, size, strongest });
  }

  function tell() {
    if (!seen) { return; }
    const value = seen.i >= 0 ? values[seen.i] : NaN;
    $("value").textContent = `${map.name} at ${seen.where}: ` + (seen.i < 0
      ? "outside the parcels" : Number.isNaN(value) ? "not estimated" : value.toPrecision(4));
    $("unit").textContent = seen.i < 0 || Number.isNaN(value) ? "" : map.unit;
    $("region").textContent = seen.i < 0 ? "" : ` · ${fullName(labels[seen.i])}`;
  }

  load(map.name);
  const parts = maps.meshes.map(one => makePart(makeMesh, one, one.n_nodes));
  if (maps.volume) {
    parts.push(makePart(makeSlices, maps.volume, maps.volume.shape.reduce((a, b) => a * b)));
  }

  function draw() {
    sayShown();
    tell();
    drawGlass();
    parts.forEach(part => part.draw());
  }

  // To the place that is nearest to these millimetres.
  goToPeak = (name, { x, y, z, on }) => {
    $("map").value = name;
    load(name);
    draw();
    const part = parts.find(one => (one.name ?? "") === on) ?? parts[0];
    let best = -1, nearest = Infinity;
    for (const at of index) {
      if (at < part.first || at >= part.first + part.size) { continue; }
      const far = Math.hypot(...part.millimetres(at - part.first).map((a, k) => a - [x, y, z][k]));
      if (far < nearest) { nearest = far; best = at - part.first; }
    }
    if (best >= 0) { part.goTo([best]); }
  };

  goTo = number => {
    const own = [];
    labels.forEach((label, i) => { if (label === number) { own.push(index[i]); } });
    if (!own.length) { return; }
    // A parcel may lie on several meshes: it is shown on the first.
    const part = parts.findLast(one => one.first <= own[0]);
    part.goTo(own.map(place => place - part.first).filter(at => at < part.size));
  };

  $("map").addEventListener("input", () => { load($("map").value); draw(); });
  for (const id of ["threshold", "exact"]) {
    $(id).addEventListener("input", () => {
      if ($(id).value === "") { return; }  // while a number is typed
      threshold = Number($(id).value);
      const other = $(id === "exact" ? "threshold" : "exact");
      other.value = Number(threshold.toPrecision(6));
      draw();
    });
  }

  {% include "report_glass.js" %}

  draw();
  // Where the first map is strongest there is something to see.
  const shown = parts.filter(part => part.strongest >= 0);
  const peak = part => strength(values[part.strongest]) || 0;
  shown.sort((a, b) => peak(a) - peak(b));
  shown.forEach(part => part.begin(index[part.strongest] - part.first, parts.length === 1));
}
if ($("grid")) { $("grid").scrollTop = 0; }  // the reader begins at the top

{% include "report_overview.js" %}

{% include "report_fit.js" %}

{% include "report_trials.js" %}

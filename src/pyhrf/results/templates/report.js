"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
// Wong's, in the shades that the page has in the light and in the dark; for SVG, not for a canvas.
const COLOURS = [1, 2, 3, 4, 5, 6].map(k => `var(--c${k})`);
const byNumber = new Map(data.parcels.map(parcel => [parcel.parcel, parcel]));
const $ = id => document.getElementById(id);
const show = (value, digits) => value === null || value === undefined ? "n/a" : value.toFixed(digits);

{% include "report_figures.js" %}

// ---- responses ---------------------------------------------------------------------------------

let low = -0.3, high = 1.1, last = 1;
for (const one of Object.values(data.hrfs)) {
  last = Math.max(last, ...one.time);
  low = Math.min(low, ...one.hrf.filter(value => value !== null));
  high = Math.max(high, ...one.hrf.filter(value => value !== null));
}
const X = time => 100 * time / last;
const Y = value => 60 * (high - Math.min(Math.max(value, low - 0.2), high + 0.2)) / (high - low);

function path(time, values) {
  let started = false;
  return time.map((t, i) => {
    if (values[i] === null) { return ""; }
    const command = started ? "L" : "M";
    started = true;
    return command + X(t).toFixed(1) + " " + Y(values[i]).toFixed(1);
  }).join("");
}

function drawHrf(number, withAxis) {
  const one = data.hrfs[number];
  const known = one.time.map((t, i) => i).filter(i => one.hrf[i] !== null && one.sd[i] !== null);
  const point = (i, sign) =>
    X(one.time[i]).toFixed(1) + "," + Y(one.hrf[i] + sign * one.sd[i]).toFixed(1);
  const band = known.map(i => point(i, 1)).concat(known.reverse().map(i => point(i, -1)));
  const own = Object.values(one.own).map((curve, k) =>
    `<path d="${path(one.time, curve.hrf)}" fill="none" stroke="${COLOURS[k % COLOURS.length]}"
      stroke-width=".8"/>`).join("");
  let axis = "";
  if (withAxis) {
    for (let t = 0; t <= last; t += 5) {
      axis += `<line x1="${X(t)}" x2="${X(t)}" y1="62" y2="64" stroke="var(--edge)" stroke-width=".5"/>
        <text x="${X(t)}" y="70" font-size="5.5" text-anchor="middle" fill="var(--soft)">${t}</text>`;
    }
  }
  return `<svg viewBox="-3 -2 106 ${withAxis ? 74 : 66}" role="img"
      aria-label="response of parcel ${number}">
    <line x1="0" x2="100" y1="${Y(0)}" y2="${Y(0)}" stroke="var(--edge)" stroke-width=".6"/>
    <polygon points="${band.join(" ")}" fill="var(--blue)" fill-opacity=".2"/>${own}
    <path d="${path(one.time, one.hrf)}" fill="none" stroke="${own ? "var(--ink)" : "var(--blue)"}"
      stroke-width="1.4"/>${axis}</svg>`;
}

const conditions = Object.keys(Object.values(data.hrfs)[0]?.own ?? {});
if (conditions.length) {
  $("legend").append("Black: all conditions together. ", ...conditions.map((name, k) => {
    const label = document.createElement("span");
    label.style.color = COLOURS[k % COLOURS.length];
    label.textContent = `— ${name} `;
    return label;
  }));
}

const quality = parcel =>
  parcel.hrf_quality === undefined || parcel.hrf_quality === null ? "" :
    ` quality ${parcel.hrf_quality.toFixed(2)},`;
const explained = parcel =>
  parcel.r2 === undefined || parcel.r2 === null ? "" : `, R² ${parcel.r2.toFixed(2)}`;
const boxes = new Map();
for (const parcel of data.parcels) {
  const number = parcel.parcel;
  if (!data.hrfs[number]) { continue; }
  const box = document.createElement("div");
  const weak = parcel.hrf_quality !== null && parcel.hrf_quality < data.low_quality;
  box.className = weak ? "hrf weak" : "hrf";
  box.dataset.parcel = number;
  box.title = `parcel ${number}${parcel.region ? ` (${parcel.region})` : ""}: ${parcel.n_positions} ${data.place}s,${quality(parcel)} ` +
    `peak at ${show(parcel.time_to_peak, 1)} s, ` +
    `width ${show(parcel.fwhm, 1)} s${explained(parcel)}`;
  box.innerHTML = `<div class="name"><b>${number}</b>
    <span class="soft">${show(parcel.time_to_peak, 1)} s</span></div>${drawHrf(number, false)}`;
  if (parcel.region) {
    box.querySelector("b").textContent = parcel.region;  // never as HTML: it is of a file
    box.querySelector("b").className = "region";
  }
  box.addEventListener("click", () => { choose(number); goTo(number); });
  boxes.set(number, box);
}
$("grid").classList.toggle("many", boxes.size > 60);

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
  $("leastText").textContent = least.toFixed(2);
  $("count").textContent = `${shown.length} of ${numbers.length} responses`;
}
for (const id of ["sort", "down", "least"]) { $(id).addEventListener("input", sortHrfs); }
sortHrfs();

// The criterion after each iteration, one line for each chain.
function drawTrace(number) {
  const chains = data.traces[number];
  if (!chains) { return ""; }
  const xs = chains.flatMap(chain => chain[0]), ys = chains.flatMap(chain => chain[1]);
  const [first, end] = [Math.min(...xs), Math.max(...xs)];
  const [bottom, top] = [Math.min(...ys), Math.max(...ys)];
  const lines = chains.map(([at, value], k) => {
    const points = at.map((x, i) => (100 * (x - first) / (end - first || 1)).toFixed(1) + "," +
      (30 - 30 * (value[i] - bottom) / (top - bottom || 1)).toFixed(1));
    return `<polyline points="${points.join(" ")}" fill="none" stroke-width=".8"
      stroke="${chains.length > 1 ? COLOURS[k % COLOURS.length] : "var(--blue)"}"/>`;
  });
  return `<div><span class="small soft">${data.criterion}, iteration ${first} to ${end}</span>
    <svg viewBox="-3 -2 106 34" role="img" aria-label="convergence of parcel ${number}">
    ${lines.join("")}</svg></div>`;
}

// The response and the course of the criterion of one parcel, larger, beside the maps.
function showChosen(number) {
  const parcel = byNumber.get(number), one = data.hrfs[number];
  $("chosen").innerHTML = one
    ? `<b></b> <span class="soft small">${parcel.n_positions} ${data.place}s,${quality(parcel)}
       peak ${show(parcel.time_to_peak, 1)} s${explained(parcel)}</span>
       <div>${drawHrf(number, true)}</div>${drawTrace(number)}`
    : (number ? `<b></b> <span class="soft small">was not estimated</span>` : "");
  if (number) { $("chosen").querySelector("b").textContent = fullName(number); }
  if (!one) { return; }
  const [response, trace] = $("chosen").querySelectorAll(":scope > div");
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

let chosen = null;
function choose(number) {
  if (chosen !== null && boxes.has(chosen)) { boxes.get(chosen).classList.remove("chosen"); }
  chosen = number;
  if (boxes.has(number)) {
    const box = boxes.get(number), grid = $("grid");
    box.classList.add("chosen");
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

let goTo = () => {};
if (data.maps && data.maps.maps.length) { startViewer(data.maps); }

function startViewer(maps) {
  const index = decode(maps.index, Int32Array), labels = decode(maps.labels, Int32Array);
  const tables = {};
  for (const kind in maps.colours) { tables[kind] = decode(maps.colours[kind], Uint8Array); }
  const cache = new Map();
  let map = maps.maps[0], values = null, threshold = 0, seen = null;

  function load(name) {
    map = maps.maps.find(one => one.name === name);
    if (!cache.has(name) && map.kind === "labels") {
      cache.set(name, Float32Array.from(labels));
    } else if (!cache.has(name)) {
      const codes = decode(map.data, Int16Array), found = new Float32Array(codes.length);
      const scale = (map.high - map.low) / 32767;
      codes.forEach((code, i) => { found[i] = code === -32768 ? NaN : map.low + code * scale; });
      cache.set(name, found);
    }
    values = cache.get(name);
    const most = map.kind === "labels" ? 1 : Math.max(Math.abs(map.top), 1e-12);
    $("threshold").max = most;
    $("threshold").step = most / 200;
    // Of levels the smallest are hidden, so that what they are drawn on is seen.
    const hidden = { probability: most / 2, flag: .5, levels: .15 * most };
    $("threshold").value = hidden[map.kind] ?? 0;
    $("threshold").disabled = map.kind === "labels";
    drawBar();
  }

  function range() {
    if (map.kind === "levels") { return [-map.top, map.top]; }
    if (map.kind === "time") { return [Math.max(map.low, 0), map.top]; }
    return [0, map.top];
  }

  function colour(value) {  // place in the table of 256
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
    $("bottom").textContent = bottom.toPrecision(3);
    $("top").textContent = top.toPrecision(3);
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
        if (Number.isNaN(value) || Math.abs(value) < threshold) { return null; }
        const i = 3 * colour(value), table = tables[map.kind];
        return [table[i], table[i + 1], table[i + 2]];
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
      return Number.isNaN(values[best]) || Math.abs(values[i]) > Math.abs(values[best]);
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
  }

  load(map.name);
  const parts = maps.meshes.map(one => makePart(makeMesh, one, one.n_nodes));
  if (maps.volume) {
    parts.push(makePart(makeSlices, maps.volume, maps.volume.shape.reduce((a, b) => a * b)));
  }

  function draw() {
    threshold = Number($("threshold").value);
    $("thresholdText").textContent = threshold.toPrecision(2);
    tell();
    parts.forEach(part => part.draw());
  }

  goTo = number => {
    const own = [];
    labels.forEach((label, i) => { if (label === number) { own.push(index[i]); } });
    if (!own.length) { return; }
    // A parcel may lie on several meshes: it is shown on the first.
    const part = parts.findLast(one => one.first <= own[0]);
    part.goTo(own.map(place => place - part.first).filter(at => at < part.size));
  };

  $("map").addEventListener("input", () => { load($("map").value); draw(); });
  $("threshold").addEventListener("input", draw);
  draw();
  // Where the first map is strongest there is something to see.
  const shown = parts.filter(part => part.strongest >= 0);
  const strength = part => Math.abs(values[part.strongest]) || 0;
  shown.sort((a, b) => strength(a) - strength(b));
  shown.forEach(part => part.begin(index[part.strongest] - part.first, parts.length === 1));
}
$("grid").scrollTop = 0;  // the reader begins at the top

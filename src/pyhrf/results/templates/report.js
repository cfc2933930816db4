"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const byNumber = new Map(data.parcels.map(parcel => [parcel.parcel, parcel]));
const $ = id => document.getElementById(id);
const show = (value, digits) => value === null || value === undefined ? "n/a" : value.toFixed(digits);

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
      axis += `<line x1="${X(t)}" x2="${X(t)}" y1="62" y2="64" stroke="#888" stroke-width=".5"/>
        <text x="${X(t)}" y="70" font-size="5.5" text-anchor="middle" fill="#555">${t}</text>`;
    }
  }
  return `<svg viewBox="-3 -2 106 ${withAxis ? 74 : 66}" role="img"
      aria-label="response of parcel ${number}">
    <line x1="0" x2="100" y1="${Y(0)}" y2="${Y(0)}" stroke="#bbb" stroke-width=".6"/>
    <polygon points="${band.join(" ")}" fill="#0072b2" fill-opacity=".2"/>${own}
    <path d="${path(one.time, one.hrf)}" fill="none" stroke="${own ? "#000" : "#0072b2"}"
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
const boxes = new Map();
for (const parcel of data.parcels) {
  const number = parcel.parcel;
  if (!data.hrfs[number]) { continue; }
  const box = document.createElement("div");
  const weak = parcel.hrf_quality !== null && parcel.hrf_quality < data.low_quality;
  box.className = weak ? "hrf weak" : "hrf";
  box.dataset.parcel = number;
  box.title = `parcel ${number}: ${parcel.n_positions} positions,${quality(parcel)} ` +
    `peak at ${show(parcel.time_to_peak, 1)} s, ` +
    `width ${show(parcel.fwhm, 1)} s`;
  box.innerHTML = `<div class="name"><b>${number}</b>
    <span class="soft">${show(parcel.time_to_peak, 1)} s</span></div>${drawHrf(number, false)}`;
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
      stroke="${chains.length > 1 ? COLOURS[k % COLOURS.length] : "#0072b2"}"/>`;
  });
  return `<div class="small soft">${data.criterion}, iteration ${first} to ${end}</div>
    <svg viewBox="-3 -2 106 34" role="img" aria-label="convergence of parcel ${number}">
    ${lines.join("")}</svg>`;
}

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
  if ($("chosen")) {
    const parcel = byNumber.get(number);
    $("chosen").innerHTML = data.hrfs[number]
      ? `<b>parcel ${number}</b> <span class="soft small">${parcel.n_positions} positions,${quality(parcel)}
         peak ${show(parcel.time_to_peak, 1)} s</span>
         ${drawHrf(number, true)}${drawTrace(number)}`
      : (number ? `<b>parcel ${number}</b> <span class="soft small">was not estimated</span>` : "");
  }
}

// ---- maps --------------------------------------------------------------------------------------

function decode(text, Kind) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) { bytes[i] = raw.charCodeAt(i); }
  return new Kind(bytes.buffer);
}

{% include "report_mesh.js" %}

let goTo = () => {};
if (data.maps && data.maps.maps.length) { startViewer(data.maps); }

function startViewer(maps) {
  const [nx, ny, nz] = maps.shape, size = nx * ny * nz;
  const index = decode(maps.index, Int32Array), labels = decode(maps.labels, Int32Array);
  const background = maps.background ? decode(maps.background, Uint8Array) : null;
  const tables = {};
  for (const kind in maps.colours) { tables[kind] = decode(maps.colours[kind], Uint8Array); }
  const place = new Int32Array(size).fill(-1);
  index.forEach((voxel, i) => { place[voxel] = i; });
  const step = [0, 1, 2].map(a => Math.hypot(...[0, 1, 2].map(r => maps.affine[r][a])));
  const at = [nx >> 1, ny >> 1, nz >> 1];
  const cache = new Map();
  let map = maps.maps[0], values = null;

  const views = maps.meshes ? [] : [  // canvas, horizontal axis, vertical axis, axis of the slider
    { name: "axial", h: 0, v: 1, s: 2 },
    { name: "coronal", h: 0, v: 2, s: 1 },
    { name: "sagittal", h: 1, v: 2, s: 0 },
  ];
  // One scale for all three, so that they fit beside each other.
  const widest = Math.max(maps.shape[0] * step[0] * 2 + maps.shape[1] * step[1], 1);
  const tallest = Math.max(...views.map(view => maps.shape[view.v] * step[view.v]));
  const zoom = Math.min(820 / widest, 330 / tallest);
  for (const view of views) {
    const box = document.createElement("figure");
    box.innerHTML = `<figcaption class="small soft">${view.name}
      <span class="where"></span></figcaption>`;
    view.canvas = document.createElement("canvas");
    view.canvas.id = view.name;
    view.canvas.width = maps.shape[view.h];
    view.canvas.height = maps.shape[view.v];
    const [wide, high] = [view.h, view.v].map(axis => maps.shape[axis] * step[axis]);
    const frame = document.createElement("div");
    frame.className = "frame";
    frame.style.width = `${wide * zoom}px`;
    frame.style.aspectRatio = `${wide} / ${high}`;
    frame.innerHTML = `<i class="across"></i><i class="along"></i>`;
    [view.across, view.along] = frame.children;
    frame.append(view.canvas);
    view.slider = document.createElement("input");
    Object.assign(view.slider, { type: "range", min: 0, max: maps.shape[view.s] - 1, step: 1 });
    view.slider.setAttribute("aria-label", `${view.name} slice`);
    view.slider.addEventListener("input", () => { at[view.s] = Number(view.slider.value); draw(); });
    view.canvas.addEventListener("click", event => {
      const width = view.canvas.clientWidth, height = view.canvas.clientHeight;
      at[view.h] = Math.min(view.canvas.width - 1,
        Math.floor(event.offsetX / width * view.canvas.width));
      at[view.v] = Math.max(0,
        view.canvas.height - 1 - Math.floor(event.offsetY / height * view.canvas.height));
      draw();
    });
    box.append(frame, view.slider);
    $("slices").append(box);
    view.where = box.querySelector(".where");
  }

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

  function rgbOf(node) {
    const value = place[node] >= 0 ? values[place[node]] : NaN, table = tables[map.kind];
    if (Number.isNaN(value) || Math.abs(value) < Number($("threshold").value)) {
      return [150, 150, 150];
    }
    const i = 3 * colour(value);
    return [table[i], table[i + 1], table[i + 2]];
  }

  function pick(node, which) {
    const here = place[node], value = here >= 0 ? values[here] : NaN;
    $("value").textContent = `${map.name} at node ${node - which.first} of ${which.name}: ` +
      (here < 0 ? "outside the parcels" : Number.isNaN(value) ? "not estimated" : value.toPrecision(4));
    if (here >= 0) { choose(labels[here]); }
  }

  const meshes = (maps.meshes ?? []).map(one =>
    Object.assign(one, makeMesh(one, node => rgbOf(one.first + node),
      node => pick(one.first + node, one))));

  function draw() {
    const threshold = Number($("threshold").value), table = tables[map.kind];
    if (meshes.length) {
      $("thresholdText").textContent = threshold.toPrecision(2);
      meshes.forEach(mesh => mesh.draw());
      return;
    }
    const strides = [1, nx, nx * ny];
    for (const view of views) {
      const width = view.canvas.width, height = view.canvas.height;
      const context = view.canvas.getContext("2d"), image = context.createImageData(width, height);
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const voxel = column * strides[view.h] + (height - 1 - row) * strides[view.v] +
            at[view.s] * strides[view.s];
          const pixel = 4 * (row * width + column), where = place[voxel];
          const grey = background ? .75 * background[voxel] : (where >= 0 ? 90 : 17);
          let red = grey, green = grey, blue = grey;
          const value = where >= 0 ? values[where] : NaN;
          if (!Number.isNaN(value) && Math.abs(value) >= threshold) {
            const i = 3 * colour(value);
            [red, green, blue] = [table[i], table[i + 1], table[i + 2]];
          }
          image.data[pixel] = red;
          image.data[pixel + 1] = green;
          image.data[pixel + 2] = blue;
          image.data[pixel + 3] = 255;
        }
      }
      context.putImageData(image, 0, 0);
      view.slider.value = at[view.s];
      view.along.style.left = `${100 * (at[view.h] + .5) / width}%`;
      view.across.style.top = `${100 * (height - .5 - at[view.v]) / height}%`;
    }
    const mm = maps.affine.slice(0, 3).map(row =>
      row[3] + row[0] * at[0] + row[1] * at[1] + row[2] * at[2]);
    views.forEach(view => { view.where.textContent = `${"xyz"[view.s]} = ${mm[view.s].toFixed(0)} mm`; });
    const here = place[at[0] + nx * at[1] + nx * ny * at[2]];
    const value = here >= 0 ? values[here] : NaN;
    $("value").textContent = `${map.name} at (${mm.map(v => v.toFixed(0)).join(", ")}) mm: ` +
      (here < 0 ? "outside the parcels" : Number.isNaN(value) ? "not estimated" : value.toPrecision(4));
    $("thresholdText").textContent = threshold.toPrecision(2);
    if (here >= 0 && labels[here] !== chosen) { choose(labels[here]); }
  }

  goTo = number => {  // to the voxel of a parcel that is nearest to its centre
    const own = [];
    labels.forEach((label, i) => { if (label === number) { own.push(index[i]); } });
    if (!own.length) { return; }
    if (meshes.length) {
      const which = meshes.findLast(mesh => mesh.first <= own[0]);
      // A parcel may lie on both: it is shown on the first.
      which.face(own.map(node => node - which.first).filter(node => node < which.n));
      pick(own[0], which);
      return;
    }
    const parts = voxel => [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / (nx * ny))];
    const centre = [0, 0, 0];
    own.forEach(v => parts(v).forEach((part, a) => { centre[a] += part / own.length; }));
    let best = own[0], nearest = Infinity;
    for (const voxel of own) {
      const p = parts(voxel);
      const far = Math.hypot(p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]);
      if (far < nearest) { nearest = far; best = voxel; }
    }
    parts(best).forEach((part, a) => { at[a] = part; });
    draw();
  };

  $("map").addEventListener("input", () => { load($("map").value); draw(); });
  $("threshold").addEventListener("input", draw);
  load(map.name);
  // Where the first map is strongest there is something to see.
  let best = 0;
  values.forEach((value, i) => {
    if (Number.isNaN(values[best]) || Math.abs(value) > Math.abs(values[best])) { best = i; }
  });
  if (meshes.length === 1 && index.length) { goTo(labels[best]); }
  if (meshes.length > 1 && index.length) {
    pick(index[best], meshes.findLast(mesh => mesh.first <= index[best]));
  }
  at[0] = index[best] % nx;
  at[1] = Math.floor(index[best] / nx) % ny;
  at[2] = Math.floor(index[best] / (nx * ny));
  draw();
}
$("grid").scrollTop = 0;  // the reader begins at the top

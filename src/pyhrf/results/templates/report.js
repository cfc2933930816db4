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

const boxes = new Map();
for (const parcel of data.parcels) {
  const number = parcel.parcel;
  if (!data.hrfs[number]) { continue; }
  const box = document.createElement("div");
  const weak = parcel.hrf_quality !== null && parcel.hrf_quality < data.low_quality;
  box.className = weak ? "hrf weak" : "hrf";
  box.dataset.parcel = number;
  box.title = `parcel ${number}: ${parcel.n_positions} positions, quality ` +
    `${show(parcel.hrf_quality, 2)}, peak at ${show(parcel.time_to_peak, 1)} s, ` +
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
      ? `<b>parcel ${number}</b> <span class="soft small">${parcel.n_positions} positions,
         quality ${show(parcel.hrf_quality, 2)}, peak ${show(parcel.time_to_peak, 1)} s</span>
         ${drawHrf(number, true)}`
      : (number ? `<b>parcel ${number}</b> <span class="soft small">was not estimated</span>` : "");
  }
}

// ---- maps --------------------------------------------------------------------------------------

function decode(text, Kind) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) { bytes[i] = raw.charCodeAt(i); }
  return new Kind(bytes.buffer);
}

let goTo = () => {};
if (data.maps && data.maps.maps.length) { startViewer(data.maps); }

// A mesh on a canvas: triangles from the farthest to the nearest, coloured by their nodes.
function makeMesh(mesh, rgbOf, pick) {
  const xyz = decode(mesh.coordinates, Float32Array), corners = decode(mesh.triangles, Int32Array);
  const n = xyz.length / 3, m = corners.length / 3;
  const middle = [0, 1, 2].map(a => {
    let low = Infinity, high = -Infinity;
    for (let i = a; i < xyz.length; i += 3) {
      low = Math.min(low, xyz[i]);
      high = Math.max(high, xyz[i]);
    }
    return (low + high) / 2;
  });
  let radius = 1e-9;
  for (let i = 0; i < n; i++) {
    radius = Math.max(radius, Math.hypot(...middle.map((value, a) => xyz[3 * i + a] - value)));
  }
  const box = document.createElement("figure");
  box.innerHTML = `<canvas id="mesh" width="620" height="480"></canvas>
    <label class="small">turn <input type="range" id="turn" min="0" max="360" value="90"></label>
    <label class="small">tilt <input type="range" id="tilt" min="-90" max="90" value="10"></label>`;
  $("slices").append(box);
  const canvas = $("mesh"), context = canvas.getContext("2d");
  const scale = 0.95 * Math.min(canvas.width, canvas.height) / 2 / radius;
  const x = new Float32Array(n), y = new Float32Array(n), far = new Float32Array(n);
  const depth = new Float32Array(m), order = Uint32Array.from({ length: m }, (_, i) => i);

  // A large mesh takes a part of a second: a slider that moves must not make a queue of drawings.
  let asked = false, painted = false;
  function draw() {
    if (!painted) {
      painted = true;
      paint();
      return;
    }
    if (asked) { return; }
    asked = true;
    requestAnimationFrame(() => { asked = false; paint(); });
  }

  function paint() {
    const turn = $("turn").value * Math.PI / 180, tilt = $("tilt").value * Math.PI / 180;
    const [ct, st, cp, sp] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    for (let i = 0; i < n; i++) {
      const [a, b, c] = [0, 1, 2].map(k => xyz[3 * i + k] - middle[k]);
      const behind = b * ct - a * st;
      x[i] = canvas.width / 2 + scale * (a * ct + b * st);
      y[i] = canvas.height / 2 - scale * (c * cp + behind * sp);
      far[i] = behind * cp - c * sp;
    }
    for (let t = 0; t < m; t++) {
      depth[t] = far[corners[3 * t]] + far[corners[3 * t + 1]] + far[corners[3 * t + 2]];
    }
    order.sort((one, other) => depth[other] - depth[one]);
    const colours = new Float32Array(3 * n);
    for (let i = 0; i < n; i++) { colours.set(rgbOf(i), 3 * i); }
    context.fillStyle = "#111";
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const t of order) {
      const [i, j, k] = [corners[3 * t], corners[3 * t + 1], corners[3 * t + 2]];
      const across = (x[j] - x[i]) * (y[k] - y[i]) - (x[k] - x[i]) * (y[j] - y[i]);
      const u = [x[j] - x[i], y[j] - y[i], scale * (far[j] - far[i])];
      const v = [x[k] - x[i], y[k] - y[i], scale * (far[k] - far[i])];
      const area = Math.hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], across) || 1;
      const light = 0.45 + 0.55 * Math.abs(across) / area;
      const mix = c => Math.round(light * (colours[3 * i + c] + colours[3 * j + c] +
        colours[3 * k + c]) / 3);
      context.fillStyle = context.strokeStyle = `rgb(${mix(0)},${mix(1)},${mix(2)})`;
      context.beginPath();
      context.moveTo(x[i], y[i]);
      context.lineTo(x[j], y[j]);
      context.lineTo(x[k], y[k]);
      context.closePath();
      context.fill();
      context.stroke();
    }
  }

  canvas.addEventListener("click", event => {
    let best = -1;
    for (let i = 0; i < n; i++) {
      const near = Math.hypot(x[i] - event.offsetX, y[i] - event.offsetY) < 8;
      if (near && (best < 0 || far[i] < far[best])) { best = i; }
    }
    if (best >= 0) { pick(best); }
  });
  function face(nodes) {  // turn towards the reader
    const mean = [0, 1].map(a =>
      nodes.reduce((sum, i) => sum + xyz[3 * i + a], 0) / nodes.length - middle[a]);
    $("turn").value = (Math.atan2(mean[0], -mean[1]) * 180 / Math.PI + 360) % 360;
    draw();
  }
  for (const id of ["turn", "tilt"]) { $(id).addEventListener("input", draw); }
  return { draw, face };
}

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

  const views = maps.mesh ? [] : [  // canvas, horizontal axis, vertical axis, axis of the slider
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
    view.canvas.style.width = `${maps.shape[view.h] * step[view.h] * zoom}px`;
    view.canvas.style.height = `${maps.shape[view.v] * step[view.v] * zoom}px`;
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
    box.append(view.canvas, view.slider);
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
    $("threshold").value = map.kind === "probability" ? most / 2 : 0;
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

  function pick(node) {
    const here = place[node], value = here >= 0 ? values[here] : NaN;
    $("value").textContent = `${map.name} at node ${node}: ` +
      (here < 0 ? "outside the parcels" : Number.isNaN(value) ? "not estimated" : value.toPrecision(4));
    if (here >= 0) { choose(labels[here]); }
  }

  const mesh = maps.mesh ? makeMesh(maps.mesh, rgbOf, pick) : null;

  function draw() {
    const threshold = Number($("threshold").value), table = tables[map.kind];
    if (mesh) {
      $("thresholdText").textContent = threshold.toPrecision(2);
      mesh.draw();
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
          if ((column === at[view.h]) !== (height - 1 - row === at[view.v])) {
            red = red * .5; green = green * .5 + 90; blue = blue * .5;  // cross hair
          }
          image.data[pixel] = red;
          image.data[pixel + 1] = green;
          image.data[pixel + 2] = blue;
          image.data[pixel + 3] = 255;
        }
      }
      context.putImageData(image, 0, 0);
      view.slider.value = at[view.s];
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
    if (mesh) {
      mesh.face(own);
      pick(own[0]);
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
  if (mesh && index.length) { goTo(labels[best]); }
  at[0] = index[best] % nx;
  at[1] = Math.floor(index[best] / nx) % ny;
  at[2] = Math.floor(index[best] / (nx * ny));
  draw();
}
$("grid").scrollTop = 0;  // the reader begins at the top

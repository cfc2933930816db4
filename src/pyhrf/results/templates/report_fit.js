// Measured and fitted courses with their events, what is left, and the design.

const plainly = column => column.replace(/^condition\./, "");  // of which most are
const shortened = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;

function startFit(fit) {
  const starts = [];
  let n = 0;
  for (const run of fit.runs) { starts.push(n); n += run.n_scans; }
  const numbers = Object.keys(fit.courses).map(Number).sort((a, b) => a - b);
  for (const number of numbers) {
    const option = document.createElement("option");
    option.value = number;
    option.textContent = fullName(number);
    $("fitParcel").append(option);
  }
  let number = fit.first, view = null;

  function course(k) {  // measured and fitted in a run
    const one = fit.courses[number], codes = decode(one.data, Int16Array);
    const part = from => Array.from(codes.subarray(from, from + fit.runs[k].n_scans),
      code => code === -32768 ? null : code * one.scale);
    return { measured: part(starts[k]), fitted: part(n + starts[k]) };
  }

  function line(values, x, y, attributes) {
    let pen = "M", d = "";
    values.forEach((value, i) => {
      if (value === null) { pen = "M"; return; }
      d += pen + x(i).toFixed(1) + " " + y(value).toFixed(1);
      pen = "L";
    });
    return `<path d="${d}" fill="none" ${attributes}/>`;
  }

  function draw() {
    const k = Number($("fitRun").value), run = fit.runs[k], { measured, fitted } = course(k);
    const W = Math.max(340, Math.min(1140, $("fitCourse").clientWidth || 1140));
    const left = W < 600 ? 72 : 118, right = W - 18, H = 190, length = run.n_scans * run.tr;
    const time = t => left + (right - left) * t / length, x = i => time(i * run.tr);
    const all = measured.concat(fitted).filter(value => value !== null);
    const [bottom, top] = [Math.min(0, ...all), Math.max(0, ...all, bottomIfNone(all))];
    const y = value => 8 + (H - 12) * (top - value) / (top - bottom || 1);
    const rowHeight = Math.max(7, Math.min(15, 260 / fit.conditions.length));
    const moved = run.moved.length > 0, strip = moved ? 46 : 0;
    const below = H + 10 + rowHeight * fit.conditions.length, end = below + strip;
    let out = "";
    for (const scan of run.censored) {
      out += `<rect x="${x(scan - .5).toFixed(1)}" width="${Math.max(1, x(1) - x(0)).toFixed(1)}" y="4"
        height="${end - 4}" fill="var(--line)"/>`;
    }
    for (const value of ticks(bottom, top, 5)) {
      out += `<line x1="${left}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="var(--line)"
        stroke-width="${value ? .5 : 1.2}"/><text x="${left - 5}" y="${y(value) + 4}" font-size="11"
        text-anchor="end" fill="var(--soft)">${value}</text>`;
    }
    out += `<text transform="translate(11 ${H / 2 + 4}) rotate(-90)" text-anchor="middle" font-size="11"
      fill="var(--soft)">${fit.unit}</text>`;
    out += line(measured, x, y, `stroke="var(--soft)" stroke-width=".9"`);
    if (run.n_scans < 300) {
      measured.forEach((value, i) => {
        if (value !== null) {
          out += `<circle cx="${x(i).toFixed(1)}" cy="${y(value).toFixed(1)}" r="1.7" fill="var(--ink)"/>`;
        }
      });
    }
    out += line(fitted, x, y, `stroke="var(--blue)" stroke-width="2"`);
    fit.conditions.forEach((name, row) => {
      const at = H + 8 + rowHeight * row, colour = COLOURS[row % COLOURS.length];
      out += `<text x="${left - 5}" y="${at + rowHeight * .75}" font-size="${Math.min(11, rowHeight)}"
        text-anchor="end" fill="var(--ink)"><title class="tip">${asText(name)}</title>${asText(shortened(name, left < 100 ? 11 : 18))}</text>
        <line x1="${left}" x2="${right}" y1="${at + rowHeight - 1.5}" y2="${at + rowHeight - 1.5}"
        stroke="var(--line)" stroke-width=".5"/>`;
      const mine = run.events.find(each => each[0] === row);
      (mine ? mine[1] : []).forEach((onset, e) => {
        const from = Math.max(time(onset), left), to = Math.min(time(onset + mine[2][e]), right);
        if (from > right || to < left) { return; }
        out += `<rect x="${from.toFixed(1)}" width="${Math.max(1.6, to - from).toFixed(1)}" y="${at}"
          height="${rowHeight - 2}" fill="${colour}"/>`;
      });
    });
    if (moved) {
      const most = Math.max(.1, ...run.moved.map(value => value ?? 0));
      const up = value => end - 34 * value / most;
      out += line(run.moved, x, up, `stroke="var(--red)" stroke-width="1"`);
      out += `<line x1="${left}" x2="${right}" y1="${end}" y2="${end}" stroke="var(--line)"/>
        <text x="${left - 5}" y="${end}" font-size="11" text-anchor="end" fill="var(--soft)">0</text>
        <text x="${left - 5}" y="${up(most) + 9}" font-size="11" text-anchor="end" fill="var(--soft)">${most.toFixed(2)}</text>
        <text x="4" y="${end - 12}" font-size="11" fill="var(--soft)">FD (mm)</text>`;
    }
    for (const t of ticks(0, length, W < 600 ? 5 : 10)) {
      out += `<line x1="${time(t)}" x2="${time(t)}" y1="${end}" y2="${end + 4}" stroke="var(--soft)"/>
        <text x="${time(t)}" y="${end + 16}" font-size="11" text-anchor="middle" fill="var(--soft)">${t}</text>`;
    }
    out += `<text x="${(left + right) / 2}" y="${end + 31}" font-size="11" text-anchor="middle"
      fill="var(--soft)">seconds after the first scan of run ${k + 1}</text>
      <line class="cursor" y1="4" y2="${end}" stroke="var(--red)" stroke-width="1" visibility="hidden"/>`;
    const label = `measured and fitted signal of ${fullName(number)}, run ${k + 1}`;
    $("fitCourse").innerHTML = `<p class="small"><svg viewBox="0 0 30 8" width="30" height="8" aria-hidden="true"><line
      x1="0" x2="30" y1="4" y2="4" stroke="var(--soft)"/><circle cx="15" cy="4" r="2" fill="var(--ink)"/></svg> measured
      <svg viewBox="0 0 30 8" width="30" height="8" aria-hidden="true"><line x1="0" x2="30" y1="4" y2="4" stroke="var(--blue)"
      stroke-width="2.5"/></svg> fitted</p><div><svg viewBox="0 0 ${W} ${end + 36}" role="img" tabindex="0"
      style="display: block; width: 100%" aria-label="${asText(label)}">${out}</svg></div>`;
    const box = $("fitCourse").querySelector("div");
    addDownloads(box, `fit_parcel_${number}_run_${k + 1}`, () => [["scan", "time", "measured", "fitted"],
      ...measured.map((value, i) => [i, Number((i * run.tr).toPrecision(9)),
        ...[value, fitted[i]].map(one => one === null ? null : Number(one.toPrecision(5)))])]);
    view = { run, measured, fitted, x, left, right, W, svg: box.querySelector("svg"), at: 0 };
    view.svg.addEventListener("pointermove", event => {
      const place = view.svg.getBoundingClientRect();
      const px = (event.clientX - place.left) * W / place.width;
      read(Math.round((px - left) / (right - left) * length / run.tr));
    });
    view.svg.addEventListener("keydown", event => {
      const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (by) { read(view.at + by); event.preventDefault(); }
    });
    tellHowWell(measured, fitted);
    drawLags(k, run, measured.map((value, i) => value === null ? null : value - fitted[i]));
  }

  const bottomIfNone = all => all.length ? -Infinity : 1;

  function read(scan) {
    const { run, measured, fitted, x, svg } = view;
    const at = view.at = Math.max(0, Math.min(run.n_scans - 1, scan));
    const cursor = svg.querySelector(".cursor");
    for (const name of ["x1", "x2"]) { cursor.setAttribute(name, x(at)); }
    cursor.setAttribute("visibility", "visible");
    const moved = run.moved.length && run.moved[at] !== null
      ? `, framewise displacement ${run.moved[at].toFixed(2)} mm` : "";
    $("fitValue").textContent = `Scan ${at}, ${(at * run.tr).toFixed(1)} s: ` + (measured[at] === null
      ? "does not count" : `measured ${measured[at].toPrecision(3)}, fitted ${fitted[at].toPrecision(3)}`) + moved;
  }

  function tellHowWell(measured, fitted) {
    const known = measured.map((value, i) => i).filter(i => measured[i] !== null);
    const mean = values => values.reduce((a, b) => a + b, 0) / (values.length || 1);
    const spread = values => { const m = mean(values); return mean(values.map(v => (v - m) ** 2)); };
    const share = 1 - spread(known.map(i => measured[i] - fitted[i])) /
      (spread(known.map(i => measured[i])) || 1);
    const r2 = byNumber.get(number)?.r2;
    $("fitText").textContent = `${fullName(number)}: R² of what is drawn ${share.toFixed(2)}, of all ` +
      `${data.place}s of the parcel ${show(r2, 2)}`;
  }

  function drawLags(k, run, rest) {
    const known = rest.filter(value => value !== null), m = known.reduce((a, b) => a + b, 0) / (known.length || 1);
    const product = lag => {
      let sum = 0, pairs = 0;
      for (let i = 0; i + lag < rest.length; i++) {
        if (rest[i] !== null && rest[i + lag] !== null) { sum += (rest[i] - m) * (rest[i + lag] - m); pairs++; }
      }
      return pairs ? sum / pairs : 0;
    };
    const n_lags = Math.min(60, Math.max(3, Math.ceil(20 / run.tr)), rest.length - 2);
    const variance = product(0) || 1, r = [];
    for (let lag = 1; lag <= n_lags; lag++) { r.push(product(lag) / variance); }
    const bound = 1.96 / Math.sqrt(known.length || 1);
    const seconds = lag => lag * run.tr;
    const bars = (x, y) => r.map((value, i) => {
      const at = x(seconds(i + 1));
      return `<line x1="${at}" x2="${at}" y1="${y(0)}" y2="${y(value)}" stroke="var(--blue)"
        stroke-width="${Math.min(9, 200 / n_lags)}"/>`;
    }).join("");
    const levels = (x, y) => [[0, "none"], [bound, "4 3"], [-bound, "4 3"]].map(([value, dashes]) =>
      `<line x1="${x(0)}" x2="${x(seconds(n_lags + 1))}" y1="${y(value)}" y2="${y(value)}"
        stroke="var(--ink)" stroke-dasharray="${dashes}"/>`).join("");
    $("fitLags").innerHTML = chart({
      width: 420, height: 180, x: [0, seconds(n_lags + 1)],
      y: [1.05 * Math.min(-.3, ...r), 1.05 * Math.max(.3, ...r)],
      xName: "lag (s)", yName: "autocorrelation", inside: (x, y) => bars(x, y) + levels(x, y),
      label: `autocorrelation of what is left in parcel ${number}, run ${k + 1}`,
    });
    $("fitLags").style.maxWidth = "440px";
    addDownloads($("fitLags"), `autocorrelation_parcel_${number}_run_${k + 1}`, () =>
      [["lag", "autocorrelation"], ...r.map((value, i) =>
        [Number(((i + 1) * run.tr).toPrecision(9)), Number(value.toPrecision(4))])]);
  }

  function go(to) {
    number = to;
    $("fitParcel").value = to;
    draw();
  }
  function pick(to) {  // of the whole page
    if (boxes.has(to)) { choose(to); goTo(to); }
    go(to);
  }
  const beside = by => numbers[(numbers.indexOf(number) + by + numbers.length) % numbers.length];
  $("fitParcel").addEventListener("input", () => pick(Number($("fitParcel").value)));
  $("fitPrevious").addEventListener("click", () => pick(beside(-1)));
  $("fitNext").addEventListener("click", () => pick(beside(1)));
  $("fitRun").addEventListener("input", draw);
  document.addEventListener("parcel", event => {
    if (event.detail !== number && fit.courses[event.detail]) { go(event.detail); }
  });
  let width = 0;
  addEventListener("resize", () => {
    if (width !== $("fitCourse").clientWidth) { width = $("fitCourse").clientWidth; draw(); }
  });
  go(number);
}

function startDesign(design) {
  const n = design.columns.length, codes = decode(design.data, Uint8Array);
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [n, design.rows];
  const image = context.createImageData(n, design.rows);
  codes.forEach((code, i) => {
    image.data.set(code ? [code, code, code, 255] : [0, 0, 0, 0], 4 * i);
  });
  context.putImageData(image, 0, 0);
  const wide = Math.max(9, Math.min(26, 900 / n)), W = 60 + n * wide + 90;
  const head = 24 + 5 * Math.min(34, Math.max(...design.columns.map(name => plainly(name).length)));
  const tall = Math.max(160, Math.min(460, 2 * design.rows));
  let out = `<image x="60" y="${head}" width="${n * wide}" height="${tall}" preserveAspectRatio="none"
    style="image-rendering: pixelated" href='${canvas.toDataURL()}'/><rect x="60" y="${head}"
    width="${n * wide}" height="${tall}" fill="none" stroke="var(--edge)"/>`;
  design.columns.forEach((name, k) => {
    out += `<text transform="translate(${60 + (k + .65) * wide} ${head - 5}) rotate(-60)" font-size="10"
      fill="var(--ink)"><title class="tip">${asText(name)}</title>${asText(shortened(plainly(name), 34))}</text>`;
  });
  let row = 0;
  design.runs.forEach((rows, k) => {
    const at = head + tall * row / design.rows;
    row += rows;
    const end = head + tall * row / design.rows;
    out += `<line x1="${k ? 0 : 60}" x2="${60 + n * wide}" y1="${at}" y2="${at}" stroke="var(--red)" stroke-width="${k ? 1.5 : 0}"/>`;
    if (end - at > 9) {
      out += `<text x="54" y="${(at + end) / 2 + 4}" font-size="11" text-anchor="end" fill="var(--soft)">run ${k + 1}</text>`;
    }
  });
  $("designMatrix").innerHTML = `<div style="overflow-x: auto"><svg viewBox="0 0 ${W} ${head + tall + 6}" role="img"
    aria-label="design matrix" style="display: block; width: ${W}px">${out}</svg></div>`;
  addDownloads($("designMatrix"), "design_matrix", () => {
    const rows = [design.columns];
    for (let i = 0; i < design.rows; i++) {
      rows.push(Array.from(codes.subarray(i * n, (i + 1) * n), code =>
        code ? Number(((code - 1) / 254).toFixed(3)) : null));
    }
    return rows;
  });
  drawCorrelations(design);
}

function drawCorrelations({ task: columns, correlations }) {
  const task = columns.map(plainly);
  const n = task.length, side = Math.max(9, Math.min(38, 560 / n)), left = 150, W = left + n * side + 60;
  const top = 24 + 5.2 * Math.min(18, Math.max(0, ...task.map(name => name.length)));
  let out = "";
  correlations.forEach((values, i) => {
    out += `<text x="${left - 5}" y="${top + (i + .65) * side}" font-size="${Math.min(11, side)}" text-anchor="end"
      fill="var(--ink)"><title class="tip">${asText(task[i])}</title>${asText(shortened(task[i], 22))}</text>
      <text transform="translate(${left + (i + .6) * side} ${top - 6}) rotate(-60)" font-size="${Math.min(11, side)}"
      fill="var(--ink)">${asText(shortened(task[i], 18))}</text>`;
    values.forEach((value, j) => {
      const title = `${task[i]}, ${task[j]}: ${(value / 100).toFixed(2)}`;
      out += `<rect x="${left + j * side}" y="${top + i * side}" width="${side}" height="${side}"
        fill="var(--${value < 0 ? "blue" : "red"})" fill-opacity="${(.75 * Math.abs(value) / 100).toFixed(2)}"
        stroke="var(--line)" stroke-width=".5"><title class="tip">${asText(title)}</title></rect>`;
      if (side > 22) {
        out += `<text x="${left + (j + .5) * side}" y="${top + (i + .5) * side + 4}" font-size="10.5"
          text-anchor="middle" fill="var(--ink)">${(value / 100).toFixed(2)}</text>`;
      }
    });
  });
  $("designCorrelation").innerHTML = `<div style="overflow-x: auto"><svg viewBox="0 0 ${W} ${top + 4 + n * side}" role="img"
    aria-label="correlations of conditions" style="display: block; width: ${W}px">${out}</svg></div>`;
  addDownloads($("designCorrelation"), "design_correlations", () =>
    [["", ...task], ...correlations.map((values, i) => [task[i], ...values.map(value => value / 100)])]);
}

if (data.fit) { startFit(data.fit); }
if (data.design) { startDesign(data.design); }

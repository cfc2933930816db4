// Levels of single trials over the runs.

function startTrials(trials) {
  const numbers = Object.keys(trials.levels).map(Number).sort((a, b) => a - b);
  const n = trials.run.length, runs = [...new Set(trials.run)];
  const last = Math.max(1, ...trials.onset.map((onset, i) => onset + trials.duration[i]));
  const MARKS = ["M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z", "M-2.7-2.7h5.4v5.4h-5.4z", "M0-3.6l3.4 6h-6.8z",
    "M0-3.8l3.8 3.8l-3.8 3.8l-3.8-3.8z", "M0 3.6l3.4-6h-6.8z"];
  const MOST_NAMED = 12;
  const colour = k => COLOURS[k % COLOURS.length];
  const mark = (k, x, y, faint = "") => `<path transform="translate(${x.toFixed(1)} ${y.toFixed(1)})"
    d="${MARKS[k % MARKS.length]}" fill="${colour(k)}" ${faint}/>`;
  const option = (id, value, text) => $(id).append(Object.assign(document.createElement("option"),
    { value, textContent: text }));
  numbers.forEach(each => option("trialParcel", each, fullName(each)));
  runs.forEach(run => option("trialRun", run, run));
  let number = trials.first, view = null;

  function levels() {  // and their standard deviations
    const { data: text, scale } = trials.levels[number], codes = decode(text, Int16Array);
    const values = Array.from(codes, code => code === -32768 ? null : code * scale);
    return [values.slice(0, n), values.slice(n)];
  }

  // The slope that all runs share, per minute, and the middle of each run.
  function trend(chosen, level) {
    const middles = new Map();
    let [xx, xy, yy] = [0, 0, 0];
    for (const run of runs) {
      const own = chosen.filter(i => trials.run[i] === run);
      if (!own.length) { continue; }
      const mean = values => values.reduce((a, b) => a + b, 0) / values.length;
      const [at, high] = [mean(own.map(i => trials.onset[i])), mean(own.map(i => level[i]))];
      middles.set(run, [at, high, Math.min(...own.map(i => trials.onset[i])), Math.max(...own.map(i => trials.onset[i]))]);
      for (const i of own) {
        xx += (trials.onset[i] - at) ** 2;
        xy += (trials.onset[i] - at) * (level[i] - high);
        yy += (level[i] - high) ** 2;
      }
    }
    const slope = xx > 0 ? xy / xx : 0, free = chosen.length - middles.size - 1;
    return { slope, error: free > 0 && xx > 0 ? Math.sqrt(Math.max(yy - slope * xy, 0) / free / xx) : null, middles };
  }

  function draw() {
    const [level, sd] = levels();
    const only = $("trialCondition").value === "" ? null : Number($("trialCondition").value);
    const shownRuns = $("trialRun").value === "" ? runs : [Number($("trialRun").value)];
    const shown = level.map((value, i) => i).filter(i => level[i] !== null && shownRuns.includes(trials.run[i]));
    const chosen = shown.filter(i => only === null || trials.condition[i] === only);
    const W = Math.max(340, Math.min(1140, $("trialLevels").clientWidth || 1140));
    const left = 62, right = W - 14, gap = 8, wide = (right - left - gap * (shownRuns.length - 1)) / shownRuns.length;
    const across = Math.max(1, Math.floor((W - left) / 170));
    const named = only !== null ? [only] : trials.conditions.map((_, k) => k).slice(0, MOST_NAMED);
    const head = 12 + 16 * Math.ceil(named.length / across), H = 200, foot = head + H + 12, end = foot + 34;
    const ends = shown.flatMap(i => [level[i] - sd[i], level[i] + sd[i]]);
    const [bottom, top] = [Math.min(0, ...ends), Math.max(0, ...ends)];
    const y = value => head + H * (top - value) / (top - bottom || 1);
    const from = run => left + shownRuns.indexOf(run) * (wide + gap);
    const x = (run, time) => from(run) + 5 + (wide - 10) * time / last;
    let out = named.map((k, place) => {
      const [at, down] = [left + 6 + 170 * (place % across), 12 + 16 * Math.floor(place / across)];
      return mark(k, at, down - 4) + `<text x="${at + 8}" y="${down}" font-size="11" fill="var(--ink)"><title
        class="tip">${asText(trials.conditions[k])}</title>${asText(shortened(trials.conditions[k], 24))}</text>`;
    }).join("");
    for (const value of ticks(bottom, top, 5)) {
      out += `<line x1="${left}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="var(--line)"
        stroke-width="${value ? .5 : 1.2}"/><text x="${left - 5}" y="${y(value) + 4}" font-size="11"
        text-anchor="end" fill="var(--soft)">${value}</text>`;
    }
    out += `<text transform="translate(11 ${head + H / 2}) rotate(-90)" text-anchor="middle" font-size="11"
      fill="var(--soft)">${asText(trials.unit)}</text>`;
    out += [1, 0].map(value => `<text x="${left - 5}" y="${end - 30 * value + 4}" font-size="11" text-anchor="end"
      fill="var(--soft)">${value}</text>`).join("");
    if (W >= 600) {
      out += `<text x="2" y="${end - 12}" font-size="10" fill="var(--soft)">inform.</text>`;
    }
    for (const run of shownRuns) {
      out += `<rect x="${from(run)}" y="${head}" width="${wide}" height="${H}" fill="none" stroke="var(--line)"/>
        <line x1="${from(run)}" x2="${from(run) + wide}" y1="${end}" y2="${end}" stroke="var(--edge)"/>`;
      const few = wide > 60 ? ticks(0, last, Math.floor(wide / 70)) : [];
      out += few.map(time => `<line x1="${x(run, time)}" x2="${x(run, time)}" y1="${end}" y2="${end + 4}"
        stroke="var(--edge)"/><text x="${x(run, time)}" y="${end + 15}" font-size="11" text-anchor="middle"
        fill="var(--soft)">${time}</text>`).join("");
      if (runs.length > 1) {
        out += `<text x="${from(run) + wide / 2}" y="${end + 29}" font-size="11" text-anchor="middle"
          fill="var(--ink)">${wide > 40 ? "run " : ""}${run}</text>`;
      }
    }
    shown.forEach(i => {
      const at = x(trials.run[i], trials.onset[i]), faint = chosen.includes(i) ? "" : 'opacity=".18"';
      const seen = trials.information[i];
      out += `<line x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${y(level[i] - sd[i]).toFixed(1)}"
        y2="${y(level[i] + sd[i]).toFixed(1)}" stroke="${colour(trials.condition[i])}" ${faint || 'stroke-opacity=".55"'}/>` +
        mark(trials.condition[i], at, y(level[i]), faint) + (seen === null ? "" : `<line x1="${at.toFixed(1)}"
        x2="${at.toFixed(1)}" y1="${end}" y2="${(end - 30 * seen).toFixed(1)}" stroke="var(--soft)" stroke-width="2" ${faint}/>`);
    });
    const { slope, error, middles } = trend(chosen, level);
    for (const [run, [at, high, first, end]] of middles) {
      const point = time => `${x(run, time).toFixed(1)} ${y(high + slope * (time - at)).toFixed(1)}`;
      out += `<path class="trend" d="M${point(first)}L${point(end)}" stroke="var(--ink)" stroke-width="1.5" stroke-dasharray="5 4" fill="none"/>`;
    }
    out += `<text x="${(left + right) / 2}" y="${end + 44}" font-size="11" text-anchor="middle" fill="var(--soft)">seconds
      after the first scan of the run</text><line class="cursor" y1="${head}" y2="${end}" stroke="var(--red)" visibility="hidden"/>`;
    const label = `levels of single trials in ${fullName(number)}` +
      (shownRuns.length === 1 ? `, run ${shownRuns[0]}` : "") + (only === null ? "" : `, ${trials.conditions[only]}`);
    $("trialLevels").innerHTML = `<svg viewBox="0 0 ${W} ${end + 50}" role="img" tabindex="0" style="display: block; width: 100%"
      aria-label="${asText(label)}">${out}</svg>`;
    addDownloads($("trialLevels"), `trials_parcel_${number}`, () =>
      [["trial", "run", "condition", "onset", "duration", "level", "sd", "information"], ...shown.map(i =>
        [i, trials.run[i], trials.conditions[trials.condition[i]], trials.onset[i], trials.duration[i],
          ...[level[i], sd[i]].map(one => Number(one.toPrecision(5))), trials.information[i]])]);
    const svg = $("trialLevels").querySelector("svg");
    view = { level, sd, chosen, x, svg, at: -1 };
    svg.addEventListener("pointermove", event => {
      const place = svg.getBoundingClientRect(), px = (event.clientX - place.left) * W / place.width;
      const far = i => Math.abs(x(trials.run[i], trials.onset[i]) - px);
      if (chosen.length) { read(chosen.reduce((best, i, k) => far(i) < far(chosen[best]) ? k : best, 0)); }
    });
    svg.addEventListener("keydown", event => {
      const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (by) { read(view.at + by); event.preventDefault(); }
    });
    const { n: many, snr } = trials.levels[number];
    const digits = value => Number((60 * Math.abs(value)).toPrecision(2));
    $("trialText").textContent = `${fullName(number)}: ${many} ${data.place}${many === 1 ? "" : "s"}, median trial_snr ` +
      snr.toFixed(2) + (error === null ? "" : `; within runs levels ${slope < 0 ? "fall" : "rise"} by ${digits(slope)} ± ` +
      `${digits(error)} ${trials.unit} a minute`) +
      (only === null && trials.conditions.length > MOST_NAMED ? `; the first ${MOST_NAMED} of ${trials.conditions.length} conditions are named, colours repeat` : "");
  }

  function read(to) {
    const { level, sd, chosen, x, svg } = view;
    if (!chosen.length) { return; }
    view.at = Math.max(0, Math.min(chosen.length - 1, to));
    const i = chosen[view.at], cursor = svg.querySelector(".cursor");
    for (const name of ["x1", "x2"]) { cursor.setAttribute(name, x(trials.run[i], trials.onset[i])); }
    cursor.setAttribute("visibility", "visible");
    $("trialValue").textContent = `Trial ${i}, run ${trials.run[i]}, ${trials.onset[i]} s, ` +
      `${trials.conditions[trials.condition[i]]}: ${level[i].toPrecision(3)} ± ${sd[i].toPrecision(2)} ${trials.unit}` +
      (trials.information[i] === null ? "" : `, information ${trials.information[i].toFixed(2)}`);
  }

  function go(to) {
    number = to;
    $("trialParcel").value = to;
    draw();
  }
  function pick(to) {  // of the whole page
    if (boxes.has(to)) { choose(to); goTo(to); }
    go(to);
  }
  const beside = by => numbers[(numbers.indexOf(number) + by + numbers.length) % numbers.length];
  $("trialParcel").addEventListener("input", () => pick(Number($("trialParcel").value)));
  $("trialPrevious").addEventListener("click", () => pick(beside(-1)));
  $("trialNext").addEventListener("click", () => pick(beside(1)));
  for (const id of ["trialRun", "trialCondition"]) { $(id).addEventListener("input", draw); }
  document.addEventListener("parcel", event => {
    if (event.detail !== number && trials.levels[event.detail]) { go(event.detail); }
  });
  let width = 0;
  addEventListener("resize", () => {
    if (width !== $("trialLevels").clientWidth) { width = $("trialLevels").clientWidth; draw(); }
  });
  go(number);
}

if (data.trials && $("trialLevels")) { startTrials(data.trials); }

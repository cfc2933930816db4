// ---- times to peak, quality and convergence; tables ----------------------------------------------

function overview(figure) {
  const { name, label, title, points, bars } = figure;
  const box = document.createElement("div"), size = { width: 340, height: 240, title };
  const red = ended => ended ? "var(--blue)" : "var(--red)";
  if (bars) {
    const most = Math.max(...bars.map(bar => bar[2] + bar[3]));
    box.innerHTML = chart({ ...size, x: [bars[0][0], bars.at(-1)[1]], y: [0, 1.05 * most],
      xName: label, yName: "parcels", label: `${label}: how many parcels have which value`,
      inside: (x, y) => bars.map(([left, right, good, others]) => [[0, good, true], [good, good + others, false]]
        .map(([from, to, ended]) => `<rect x="${x(left) + .5}" width="${Math.max(x(right) - x(left) - 1, .5)}"
          y="${y(to)}" height="${y(from) - y(to)}" fill="${red(ended)}"/>`).join("")).join("") });
    addDownloads(box, name, () => [["from", "to", "parcels", "not_converged"],
      ...bars.map(([left, right, good, others]) => [left, right, good + others, others])]);
  } else {
    const lows = points.map(([, value, sd]) => value - (sd ?? 0));
    const highs = points.map(([, value, sd]) => value + (sd ?? 0));
    let [bottom, top] = [Math.min(...lows), Math.max(...highs)];
    if (name === "hrf_quality") { [bottom, top] = [0, 1]; }
    if (name === "n_iterations") { bottom = 0; }
    const room = .06 * (top - bottom || 1), every = Math.ceil(points.length / 10);
    const numbers = points.map(([parcel], i) => [i, parcel]).filter(([i]) => i % every === 0);
    box.innerHTML = chart({ ...size, x: [-.5, points.length - .5], y: [bottom - room, top + room],
      xName: "parcel", yName: label, xTicks: numbers, label: `${label} of each parcel`,
      inside: (x, y) => points.map(([parcel, value, sd, ended], i) =>
        (sd === null ? "" : `<line x1="${x(i)}" x2="${x(i)}" y1="${y(value - sd)}" y2="${y(value + sd)}"
          stroke="var(--edge)"/>`) + (ended
          ? `<circle cx="${x(i)}" cy="${y(value)}" r="4" fill="${red(true)}"/>`
          : `<rect x="${x(i) - 4}" y="${y(value) - 4}" width="8" height="8" fill="${red(false)}"/>`)).join("") });
    addDownloads(box, name, () => [["parcel", "region", name, `${name}_sd`, "converged"],
      ...points.map(([parcel, value, sd, ended]) => [parcel, data.regions[parcel], value, sd, Number(ended)])]);
  }
  return box;
}
if ($("overview")) { $("overview").append(...data.overview.map(overview)); }

document.querySelectorAll(".clusters").forEach((box, k) => {
  const { name, rows } = data.clusters[k];
  if (!rows.length) { return; }
  box.addEventListener("click", event => {
    const row = event.target.closest("tr")?.querySelector("button");
    if (row) { goToPeak(name, rows[row.dataset.row]); }
  });
  addDownloads(box, `clusters_${name}`, () => [["x", "y", "z", "peak", "size", "parcel", "region", "on"],
    ...rows.map(row => [row.x, row.y, row.z, row.peak, row.size, row.parcel, data.regions[row.parcel], row.on])]);
});

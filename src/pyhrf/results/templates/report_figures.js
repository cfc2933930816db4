// What all figures have in common: how a parcel is called, and what of a figure can be saved.

// "12 · V1 left", or "parcel 12" without a name; text, never HTML: names are of files.
function fullName(number) {
  const region = data.regions[number];
  return region ? `${number} · ${region}` : `parcel ${number}`;
}

function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name.replace(/[^\w.-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// A drawing as a file of its own: in the colours of the light page, on white paper.
function standalone(svg) {
  const light = [...document.styleSheets[0].cssRules].find(rule => rule.selectorText === ":root");
  const copy = svg.cloneNode(true), [x, y, width, height] = svg.getAttribute("viewBox").split(/[ ,]+/);
  const zoom = 600 / width;
  copy.setAttribute("width", 600);
  copy.setAttribute("height", Math.round(zoom * height));
  copy.setAttribute("font-family", "sans-serif");
  copy.insertAdjacentHTML("afterbegin",
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="var(--paper)"/>`);
  return new XMLSerializer().serializeToString(copy).replace(/var\((--[\w-]+)\)/g,
    (_, name) => light.style.getPropertyValue(name).trim());
}

const cell = value => value === null || value === undefined || Number.isNaN(value)
  ? "n/a" : String(value).replace(/\s/g, " ");
const asTsv = rows => rows.map(row => row.map(cell).join("\t") + "\n").join("");

function button(text, label, act) {
  const one = document.createElement("button");
  Object.assign(one, { type: "button", textContent: text, title: label });
  one.setAttribute("aria-label", label);
  one.addEventListener("click", act);
  return one;
}

// Two buttons below the only drawing in a box: it is saved as it is then. `table` gives rows of
// values, names of the columns first. Without a drawing there is the table alone.
function addDownloads(box, name, table) {
  const line = document.createElement("p"), svg = box.querySelector("svg");
  line.className = "save";
  line.append(
    ...(svg ? [button("SVG", `save ${name} as SVG`, () =>
      save(`${name}.svg`, standalone(box.querySelector("svg")), "image/svg+xml"))] : []),
    button("TSV", `save ${name} as TSV`, () =>
      save(`${name}.tsv`, asTsv(table()), "text/tab-separated-values")));
  box.querySelector(":scope > .save")?.remove();
  box.append(line);
}

// Round numbers between two others, about as many as wanted.
function ticks(bottom, top, wanted) {
  const rough = (top - bottom) / wanted || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(k => k * power).find(one => one > .999 * rough);
  const found = [];
  for (let k = Math.ceil(bottom / step - 1e-9); k * step <= top + 1e-9 * step; k++) {
    found.push(Number((k * step).toPrecision(6)));
  }
  return found;
}

const asText = words => String(words).replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`);

// A drawing in a frame of axes: `inside` gets functions from values to places. The legend has
// attributes of a line and its name. What may be of a file (legend, title, label) is taken for text.
function chart({ width, height, x, y, xName, yName, inside, label, title = "", legend = [],
  xTicks, yTicks = 4 }) {
  const heights = ticks(...y, yTicks);
  const digits = Math.max(...heights.map(value => String(value).length), 1);
  const room = Math.floor(width / 6);  // characters
  const short = title.length > room ? `${title.slice(0, room - 1)}…` : title;
  const above = (title ? 20 : 8) + 15 * Math.ceil(legend.length / 2);
  height += above - (title ? 20 : 8);
  const [left, right, top, bottom] = [28 + 6.5 * digits, width - 16, above, height - 36];
  const place = ([low, high], from, to) => value => from + (to - from) * (value - low) / (high - low || 1);
  const px = place(x, left, right), py = place(y, bottom, top);
  const text = (at, down, words, more = "") =>
    `<text x="${at}" y="${down}" font-size="11" fill="var(--soft)" text-anchor="middle" ${more}>${words}</text>`;
  const across = (xTicks ?? ticks(...x, 6)).map(one => [].concat(one)).map(([value, words = value]) =>
    `<line x1="${px(value)}" x2="${px(value)}" y1="${bottom}" y2="${bottom + 4}" stroke="var(--edge)"/>` +
    text(px(value), bottom + 15, words));
  const along = heights.map(value =>
    `<line x1="${left - 4}" x2="${left}" y1="${py(value)}" y2="${py(value)}" stroke="var(--edge)"/>` +
    text(left - 7, py(value) + 4, value, 'style="text-anchor: end"'));
  const middle = (top + bottom) / 2;
  const names = legend.map(([attributes, words], k) => {
    const [at, down] = [10 + k % 2 * (width - 10) / 2, (title ? 28 : 14) + 15 * Math.floor(k / 2)];
    return `<line x1="${at}" x2="${at + 26}" y1="${down - 4}" y2="${down - 4}" stroke-width="2" ${attributes}/>` +
      text(at + 31, down, asText(words), 'style="text-anchor: start"');
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${asText(label)}">
    <path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="var(--edge)"/>
    ${across.join("")}${along.join("")}${text((left + right) / 2, height - 5, xName)}
    ${text(12, middle, yName, `transform="rotate(-90 12 ${middle})"`)}
    ${text(width / 2, 12, asText(short))}${names.join("")}
    ${inside(px, py)}</svg>`;
}

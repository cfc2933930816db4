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
// values, names of the columns first.
function addDownloads(box, name, table) {
  const line = document.createElement("p");
  line.className = "save";
  line.append(
    button("SVG", `save ${name} as SVG`, () =>
      save(`${name}.svg`, standalone(box.querySelector("svg")), "image/svg+xml")),
    button("TSV", `save ${name} as TSV`, () =>
      save(`${name}.tsv`, asTsv(table()), "text/tab-separated-values")));
  box.querySelector(":scope > .save")?.remove();
  box.append(line);
}

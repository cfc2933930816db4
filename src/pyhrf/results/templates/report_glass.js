// Of each line through the voxels the strongest value that is shown, in the outlines of a brain.
  function drawGlass() {
    if (!$("glass")) { return; }
    const { first, shape, affine } = maps.volume, [nx, ny] = shape;
    const views = [["axial", 0, 1], ["coronal", 0, 2], ["sagittal", 1, 2]];
    const pictures = [];
    let right = 4;
    const drawn = views.map(([name, h, v]) => {
      const best = new Float32Array(shape[h] * shape[v]).fill(NaN);
      index.forEach((at, i) => {
        const value = values[i], voxel = at - first;
        if (voxel < 0 || hides(value)) { return; }
        const where = [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / (nx * ny))];
        const k = where[h] + shape[h] * (shape[v] - 1 - where[v]);
        if (!(strength(best[k]) >= strength(value))) { best[k] = value; }
      });
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [shape[h], shape[v]];
      const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
      best.forEach((value, k) => {
        if (!Number.isNaN(value)) { image.data.set([...colour(value), 255], 4 * k); }
      });
      context.putImageData(image, 0, 0);
      pictures.push(canvas.toDataURL());
      const [dx, dy] = [h, v].map(axis => Math.abs(affine[axis][axis]));
      const left = affine[h][3] - dx / 2, top = affine[v][3] + (shape[v] - .5) * dy;
      const shift = right + 74 + 34 * (h === 1);  // the brain reaches from -74 or -108 mm
      right += h === 1 ? 188 : 152;
      return `<g transform="translate(${shift} 84)">
        <image x="${left}" y="${-top}" width="${shape[h] * dx}" height="${shape[v] * dy}"
          preserveAspectRatio="none" style="image-rendering: pixelated"/>
        <path d="${data.glass[name]}" transform="scale(1 -1)" fill="none" stroke="var(--edge)" stroke-width=".6"/>
        <text x="0" y="117" font-size="9" text-anchor="middle" fill="var(--soft)">${name}</text></g>`;
    });
    $("glass").innerHTML = `<svg viewBox="0 0 ${right} 206" role="img"></svg>`;
    const svg = $("glass").querySelector("svg");
    svg.innerHTML = drawn.join("");
    svg.querySelectorAll("image").forEach((one, k) => one.setAttribute("href", pictures[k]));
    svg.setAttribute("aria-label", `glass brain of ${map.name}. ${$("shown").textContent}`);
    addDownloads($("glass"), `glass_brain_${map.name}`, () => {
      const rows = [["x", "y", "z", map.name, "parcel", "region"]];
      const part = parts.at(-1);
      index.forEach((at, i) => {
        if (at >= first && !hides(values[i])) {
          rows.push([...part.millimetres(at - first), values[i], labels[i], data.regions[labels[i]]]);
        }
      });
      return rows;
    });
  }

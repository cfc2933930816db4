// Three cuts through a volume, each on a canvas of one pixel for a voxel.
function makeSlices(volume, colours, pick) {
  const [nx, ny, nz] = volume.shape, strides = [1, nx, nx * ny];
  const background = volume.background ? decode(volume.background, Uint8Array) : null;
  const step = [0, 1, 2].map(a => Math.hypot(...[0, 1, 2].map(r => volume.affine[r][a])));
  const at = [nx >> 1, ny >> 1, nz >> 1];
  const views = [  // canvas, horizontal axis, vertical axis, axis of the slider
    { name: "axial", h: 0, v: 1, s: 2 },
    { name: "coronal", h: 0, v: 2, s: 1 },
    { name: "sagittal", h: 1, v: 2, s: 0 },
  ];
  // One scale for all three, so that they fit beside each other.
  const widest = Math.max(nx * step[0] * 2 + ny * step[1], 1);
  const tallest = Math.max(...views.map(view => volume.shape[view.v] * step[view.v]));
  const zoom = Math.min(820 / widest, 330 / tallest);
  for (const view of views) {
    const box = document.createElement("figure");
    box.className = "cut";
    box.innerHTML = `<figcaption class="small soft">${view.name}
      <span class="where"></span></figcaption>`;
    view.canvas = document.createElement("canvas");
    view.canvas.id = view.name;
    view.canvas.width = volume.shape[view.h];
    view.canvas.height = volume.shape[view.v];
    const [wide, high] = [view.h, view.v].map(axis => volume.shape[axis] * step[axis]);
    const frame = document.createElement("div");
    frame.className = "frame";
    frame.style.width = `${wide * zoom}px`;
    frame.style.aspectRatio = `${wide} / ${high}`;
    frame.innerHTML = `<i class="across"></i><i class="along"></i>`;
    [view.across, view.along] = frame.children;
    frame.append(view.canvas);
    view.slider = document.createElement("input");
    Object.assign(view.slider, { type: "range", min: 0, max: volume.shape[view.s] - 1, step: 1 });
    view.slider.setAttribute("aria-label", `${view.name} slice`);
    view.slider.addEventListener("input", () => { at[view.s] = Number(view.slider.value); move(); });
    view.canvas.addEventListener("click", event => {
      const width = view.canvas.clientWidth, height = view.canvas.clientHeight;
      at[view.h] = Math.min(view.canvas.width - 1,
        Math.floor(event.offsetX / width * view.canvas.width));
      at[view.v] = Math.max(0,
        view.canvas.height - 1 - Math.floor(event.offsetY / height * view.canvas.height));
      move();
    });
    const keys = { ArrowLeft: [view.h, -1], ArrowRight: [view.h, 1], ArrowDown: [view.v, -1],
      ArrowUp: [view.v, 1], PageDown: [view.s, -1], PageUp: [view.s, 1] };
    view.canvas.tabIndex = 0;
    view.canvas.setAttribute("role", "application");
    view.canvas.setAttribute("aria-describedby", "told");
    view.canvas.setAttribute("aria-label", `${view.name} cut: arrow keys move the cross in it, ` +
      "page up and page down the cut");
    view.canvas.addEventListener("keydown", event => {
      if (!(event.key in keys)) { return; }
      event.preventDefault();
      const [axis, by] = keys[event.key];
      at[axis] = Math.max(0, Math.min(volume.shape[axis] - 1, at[axis] + by));
      move();
    });
    const png = button("PNG", `save the ${view.name} cut as PNG`, () =>
      view.canvas.toBlob(blob => save(`${view.name}.png`, blob, "image/png")));
    png.className = "tool";
    box.append(frame, view.slider, png);
    $("slices").append(box);
    view.where = box.querySelector(".where");
  }
  const parts = voxel => [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / (nx * ny))];
  const mmOf = p => volume.affine.slice(0, 3).map(row =>
    row[3] + row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);
  const millimetres = () => mmOf(at).map(one => one.toFixed(0));

  function move() {  // the cuts to the voxel
    draw();
    pick(at[0] * strides[0] + at[1] * strides[1] + at[2] * strides[2],
      `(${millimetres().join(", ")}) mm`);
  }

  function draw() {
    for (const view of views) {
      const width = view.canvas.width, height = view.canvas.height;
      const context = view.canvas.getContext("2d"), image = context.createImageData(width, height);
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const voxel = column * strides[view.h] + (height - 1 - row) * strides[view.v] +
            at[view.s] * strides[view.s];
          const grey = background ? .75 * background[voxel] : colours.isOfParcel(voxel) ? 90 : 17;
          image.data.set([...(colours.rgb(voxel) ?? [grey, grey, grey]), 255],
            4 * (row * width + column));
        }
      }
      context.putImageData(image, 0, 0);
      view.slider.value = at[view.s];
      view.along.style.left = `${100 * (at[view.h] + .5) / width}%`;
      view.across.style.top = `${100 * (height - .5 - at[view.v]) / height}%`;
    }
    const mm = millimetres();
    views.forEach(view => { view.where.textContent = `${"xyz"[view.s]} = ${mm[view.s]} mm`; });
  }

  function goTo(voxels) {  // to the one that is nearest to their centre
    const centre = [0, 0, 0];
    voxels.forEach(v => parts(v).forEach((part, a) => { centre[a] += part / voxels.length; }));
    let best = voxels[0], nearest = Infinity;
    for (const voxel of voxels) {
      const p = parts(voxel);
      const far = Math.hypot(p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]);
      if (far < nearest) { nearest = far; best = voxel; }
    }
    begin(best);
  }

  function begin(voxel) {
    parts(voxel).forEach((part, a) => { at[a] = part; });
    move();
  }

  // Voxels of parcels in each slice: those at the rim have few.
  const counts = volume.shape.map(n => new Int32Array(n));
  for (let voxel = 0; voxel < nx * ny * nz; voxel++) {
    if (colours.isOfParcel(voxel)) { parts(voxel).forEach((part, a) => { counts[a][part]++; }); }
  }
  const enough = counts.map(of => of.reduce((most, n) => Math.max(most, n), 0) / 4);

  function showsMuch(voxel) {  // in all three cuts through it
    return parts(voxel).every((part, a) => counts[a][part] >= enough[a]);
  }
  return { draw, goTo, begin, showsMuch, millimetres: voxel => mmOf(parts(voxel)) };
}

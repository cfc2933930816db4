// A mesh on a canvas: of each pixel the nearest triangle, in the mean colour of its nodes. Paths of
// the canvas would take seconds for a mesh of a hundred thousand nodes.
function makeMesh(mesh, colours, pick) {
  const codes = decode(mesh.coordinates, Int16Array);
  const corners = decode(mesh.triangles, Uint16Array);
  const numbers = mesh.numbers ? decode(mesh.numbers, Int32Array) : null;  // of the nodes in the file
  const xyz = Float32Array.from(codes, code => code * mesh.step);  // about its middle
  const n = xyz.length / 3, m = corners.length / 3;
  let radius = 1e-9;
  for (let i = 0; i < n; i++) {
    radius = Math.max(radius, Math.hypot(xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]));
  }
  // Seen from outside the head: the left half from its left.
  const side = /left/i.test(mesh.name) ? 270 : 90;
  const box = document.createElement("figure");
  box.className = "mesh";
  box.innerHTML = `<figcaption class="small soft"></figcaption>
    <canvas width="1240" height="960"></canvas>
    <label class="small">turn <input type="range" min="0" max="360" value="${side}"></label>
    <label class="small">tilt <input type="range" min="-90" max="90" value="10"></label>`;
  box.querySelector("figcaption").textContent = mesh.name;
  const png = button("PNG", `save ${mesh.name} as PNG`, () =>
    canvas.toBlob(blob => save(`${mesh.name}.png`, blob, "image/png")));
  png.className = "tool";
  box.append(png);
  $("slices").append(box);
  const canvas = box.querySelector("canvas"), context = canvas.getContext("2d");
  const [turner, tilter] = box.querySelectorAll("input");
  const scale = 0.95 * Math.min(canvas.width, canvas.height) / 2 / radius;
  const x = new Float32Array(n), y = new Float32Array(n), far = new Float32Array(n);
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer), nearest = new Float32Array(pixels.length);

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
    const turn = turner.value * Math.PI / 180, tilt = tilter.value * Math.PI / 180;
    const [ct, st, cp, sp] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    for (let i = 0; i < n; i++) {
      const a = xyz[3 * i], b = xyz[3 * i + 1], c = xyz[3 * i + 2];
      const behind = b * ct - a * st;
      x[i] = canvas.width / 2 + scale * (a * ct + b * st);
      y[i] = canvas.height / 2 - scale * (c * cp + behind * sp);
      far[i] = behind * cp - c * sp;
    }
    const rgb = new Float32Array(3 * n);
    for (let i = 0; i < n; i++) { rgb.set(colours.rgb(i) ?? [150, 150, 150], 3 * i); }
    pixels.fill(0xff111111);
    nearest.fill(Infinity);
    for (let t = 0; t < m; t++) {
      fill(corners[3 * t], corners[3 * t + 1], corners[3 * t + 2], rgb);
    }
    context.putImageData(image, 0, 0);
  }

  function fill(i, j, k, rgb) {
    const ux = x[j] - x[i], uy = y[j] - y[i], vx = x[k] - x[i], vy = y[k] - y[i];
    const across = ux * vy - vx * uy;
    if (across === 0) { return; }  // seen from its edge
    const uz = scale * (far[j] - far[i]), vz = scale * (far[k] - far[i]);
    const area = Math.hypot(uy * vz - uz * vy, uz * vx - ux * vz, across);
    const light = (0.45 + 0.55 * Math.abs(across) / area) / 3;
    const mix = c => Math.round(light * (rgb[3 * i + c] + rgb[3 * j + c] + rgb[3 * k + c]));
    const rgba = (0xff << 24 | mix(2) << 16 | mix(1) << 8 | mix(0)) >>> 0;
    const left = Math.max(0, Math.ceil(Math.min(x[i], x[j], x[k])));
    const right = Math.min(canvas.width - 1, Math.floor(Math.max(x[i], x[j], x[k])));
    const top = Math.max(0, Math.ceil(Math.min(y[i], y[j], y[k])));
    const bottom = Math.min(canvas.height - 1, Math.floor(Math.max(y[i], y[j], y[k])));
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const px = column - x[i], py = row - y[i];
        const b = (px * vy - vx * py) / across, c = (ux * py - px * uy) / across;
        if (b < 0 || c < 0 || b + c > 1) { continue; }
        const behind = far[i] + b * (far[j] - far[i]) + c * (far[k] - far[i]);
        const place = row * canvas.width + column;
        if (behind < nearest[place]) {
          nearest[place] = behind;
          pixels[place] = rgba;
        }
      }
    }
  }

  let dragged = 0;
  canvas.addEventListener("pointerdown", () => { dragged = 0; });
  canvas.addEventListener("pointermove", event => {
    if (!(event.buttons & 1)) { return; }
    dragged += Math.abs(event.movementX) + Math.abs(event.movementY);
    turner.value = (Number(turner.value) - event.movementX / 2 + 360) % 360;
    tilter.value = Number(tilter.value) + event.movementY / 2;
    draw();
  });
  canvas.addEventListener("click", event => {
    if (dragged > 4) { return; }
    const zoom = canvas.width / canvas.clientWidth;
    nameAt(zoom * event.offsetX, zoom * event.offsetY, 16);
  });

  function nameAt(column, row, within) {  // the nearest to the reader
    let best = -1;
    for (let i = 0; i < n; i++) {
      const near = Math.hypot(x[i] - column, y[i] - row) < within;
      if (near && (best < 0 || far[i] < far[best])) { best = i; }
    }
    if (best >= 0) { name(best); }
  }

  const keys = { ArrowLeft: [turner, -10], ArrowRight: [turner, 10], ArrowUp: [tilter, 10],
    ArrowDown: [tilter, -10] };
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-describedby", "told");
  canvas.setAttribute("aria-label", `${mesh.name}: arrow keys turn the mesh, and name the node in the middle`);
  canvas.addEventListener("keydown", event => {
    if (!(event.key in keys)) { return; }
    event.preventDefault();
    const [slider, by] = keys[event.key];
    slider.value = slider === turner ? (Number(slider.value) + by + 360) % 360 : Number(slider.value) + by;
    paint();
    nameAt(canvas.width / 2, canvas.height / 2, 60);
  });

  const name = node => pick(node, `node ${numbers ? numbers[node] : node} of ${mesh.name}`);

  function goTo(nodes) {  // turn them towards the reader
    const mean = [0, 1].map(a => nodes.reduce((sum, i) => sum + xyz[3 * i + a], 0) / nodes.length);
    turner.value = (Math.atan2(mean[0], -mean[1]) * 180 / Math.PI + 360) % 360;
    draw();
    name(nodes[0]);
  }

  function begin(node, isAlone) {
    if (isAlone) { goTo([node]); } else { name(node); }
  }
  for (const slider of [turner, tilter]) { slider.addEventListener("input", draw); }
  const millimetres = i => [0, 1, 2].map(a => xyz[3 * i + a] + mesh.centre[a]);
  return { draw, goTo, begin, showsMuch: () => true, millimetres, name: mesh.name };
}

/* Shared by the pages with attention maps, page.html and exports/web_page.html: the
   overlay of overlay.py, and the choice of a location. The page must have `data` with
   `colours`, and inputs `smooth` and `behind`. */
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const STEPS = 4096;

const bytes = (text) => {
  const raw = atob(text), values = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) values[i] = raw.charCodeAt(i);
  return values;
};
const floats = (text) => new Float32Array(bytes(text).buffer);
const colours = bytes(data.colours);
const number = (value, digits) =>
  value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "\u2212");
const percent = (share) =>
  (share >= 0.0995 ? (100 * share).toFixed(1) : (100 * share).toPrecision(2)) + " %";

/* Weights of Pillow's bicubic filter from `count` to `size` values. */
const cubic = (x) => {
  x = Math.abs(x);
  return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
};
function taps(count, size) {
  return Array.from({ length: size }, (_, i) => {
    const middle = (i + 0.5) * count / size;
    const first = Math.max(0, Math.floor(middle - 1.5));
    const last = Math.min(count, Math.floor(middle + 2.5));
    const weights = [];
    for (let k = first; k < last; k++) weights.push(cubic(k + 0.5 - middle));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((w) => w / sum) };
  });
}

function enlarged(values, high, wide, size, smooth) {
  const result = new Float32Array(size * size);
  if (!smooth) {
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        result[y * size + x] =
          values[Math.floor(y * high / size) * wide + Math.floor(x * wide / size)];
    return result;
  }
  const across = taps(wide, size), down = taps(high, size);
  const rows = new Float32Array(high * size);
  for (let k = 0; k < high; k++)
    for (let x = 0; x < size; x++)
      across[x].weights.forEach((w, i) => {
        rows[k * size + x] += w * values[k * wide + across[x].first + i];
      });
  for (let y = 0; y < size; y++) {
    const { first, weights } = down[y];
    for (let x = 0; x < size; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * rows[(first + i) * size + x];
      result[y * size + x] = Math.min(1, Math.max(0, sum));
    }
  }
  return result;
}

const opacities = Float32Array.from({ length: STEPS + 1 },
  (_, i) => 0.3 + 0.7 * Math.pow(i / STEPS, 0.6));

/* Colors of values in 0..1 over gray in 0..255; `behind` is the weight of the gray. */
function paint(canvas, size, values, gray, behind) {
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d"), image = context.createImageData(size, size);
  for (let i = 0; i < values.length; i++) {
    const opacity = 1 - behind * (1 - opacities[Math.round(values[i] * STEPS)]);
    const from = 3 * Math.min(255, Math.floor(values[i] * 256));
    for (let c = 0; c < 3; c++)
      image.data[4 * i + c] = opacity * colours[from + c] + (1 - opacity) * gray[i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/* An image has its `resolution`, and `rgb` or packed `pixels`. */
function pixelsOf(each) {
  each.rgb = each.rgb || bytes(each.pixels);
  return each.rgb;
}
function paintImage(canvas, each) {
  const side = each.resolution, values = pixelsOf(each), channels = values.length / side / side;
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), image = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    for (let c = 0; c < 3; c++)
      image.data[4 * i + c] = values[channels * i + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
function darkened(each, size) {
  each.gray = each.gray || {};
  if (!each.gray[size]) {
    const side = each.resolution, values = pixelsOf(each), channels = values.length / side / side;
    const gray = Float32Array.from({ length: side * side }, (_, i) => {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += values[channels * i + c];
      return 0.08 * 255 + 0.72 * sum / channels;
    });
    each.gray[size] = enlarged(gray, side, side, size, false);
  }
  return each.gray[size];
}
/* A map over its image; the largest of `shares` is 1. */
function paintShares(canvas, size, shares, [high, wide], image) {
  const values = enlarged(shares, high, wide, size, byId("smooth").checked);
  paint(canvas, size, values, darkened(image, size), byId("behind").value / 100);
}
function paintScale(canvas) {
  const context = canvas.getContext("2d"), image = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++)
    image.data.set([...colours.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  context.putImageData(image, 0, 0);
}

function element(name, attributes, text) {
  const node = document.createElement(name);
  Object.assign(node, attributes);
  if (text !== undefined) node.textContent = text;
  return node;
}
/* A frame around the cell. It is visible even if cells are tiny. */
function frame(svg, [high, wide], [row, column]) {
  const across = Math.max(100 / wide, 2.6), down = Math.max(100 / high, 2.6);
  const left = (column + 0.5) * 100 / wide - across / 2;
  const top = (row + 0.5) * 100 / high - down / 2;
  for (const [paint, width] of [["#000", 1.5], ["#fff", 0.7]]) {
    const rectangle = document.createElementNS(SVG, "rect");
    const shape = { x: left, y: top, width: across, height: down, fill: "none",
      stroke: paint, "stroke-width": width };
    for (const [key, value] of Object.entries(shape)) rectangle.setAttribute(key, value);
    svg.append(rectangle);
  }
}
function cellAt(event, box, high, wide) {
  const { left, top, width, height } = box.getBoundingClientRect();
  const within = (value, count) => Math.min(count - 1, Math.max(0, Math.floor(value * count)));
  return [within((event.clientY - top) / height, high), within((event.clientX - left) / width, wide)];
}
/* The cell to which a key moves the location, or undefined. */
function moved(key, [high, wide], [row, column]) {
  const cell = {
    ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1], Home: [row, 0], End: [row, wide - 1],
    PageUp: [0, column], PageDown: [high - 1, column],
  }[key];
  return cell && [high, wide].map((count, i) => Math.min(count - 1, Math.max(0, cell[i])));
}
function radios(target, name, count, chosen, fill, onChange) {
  target.replaceChildren(...Array.from({ length: count }, (_, i) => {
    const label = element("label");
    const input = element("input", { type: "radio", name, value: i, checked: i === chosen });
    input.onchange = () => onChange(i);
    label.append(input);
    fill(label, i);
    return label;
  }));
}

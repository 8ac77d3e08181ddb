/* z and labels as `sagan_tf.sample` draws them from a seed: `model/latents.py` in
   JavaScript. Philox (4x32, 10 rounds: Salmon et al., SC 2011) makes the numbers. They
   become seeds, normal numbers and labels as in TensorFlow. Logarithm, sine and cosine
   are rounded to float32; TensorFlow's values may differ in the last bit. */
const f32 = Math.fround;
const LOW = 0xffffffffn;

function philox(counter, key) {
  let [a, b, c, d] = counter.map((x) => BigInt(x)), [k, l] = key.map((x) => BigInt(x));
  for (let round = 0; round < 10; round++) {
    const left = a * 0xd2511f53n, right = c * 0xcd9e8d57n;
    [a, b, c, d] = [(right >> 32n) ^ b ^ k, right & LOW, (left >> 32n) ^ d ^ l, left & LOW];
    k = (k + 0x9e3779b9n) & LOW;
    l = (l + 0xbb67ae85n) & LOW;
  }
  return [a, b, c, d].map(Number);
}
/* The blocks of four numbers of a seed, a pair of int64, as a function of the index. */
function blocks(pair) {
  const words = pair.flatMap((x) => [BigInt.asUintN(64, x) & LOW, BigInt.asUintN(64, x) >> 32n]);
  const [k, l, c, d] = philox(words, [0x3ec8f720, 0x02461e29]);
  return (index) => philox([index, 0, c, d], [k, l]);
}
/* `tf.random.fold_in`, for each number in turn. */
function fold(...numbers) {
  return numbers.reduce((pair, number) => {
    const [low, high] = blocks(pair)(0);
    return [BigInt(high) << 32n | BigInt(low), BigInt(number)];
  }, [0n, 0n]);
}
const toUnit = (x) => (x & 0x7fffff) / 0x800000;
/* Two normal numbers from two Philox numbers (Box and Muller). */
function normals(x, y) {
  const angle = f32(2 * Math.PI * toUnit(y));
  const length = f32(Math.sqrt(f32(-2 * f32(Math.log(Math.max(toUnit(x), f32(1e-7)))))));
  return [f32(f32(Math.sin(angle)) * length), f32(f32(Math.cos(angle)) * length)];
}
/* Four normal numbers below 2 in magnitude. Each output `group` has its own 256 blocks. */
function cutNormals(block, group) {
  const numbers = [];
  for (let index = 256 * group; numbers.length < 4; index++) {
    const [x, y, u, v] = block(index);
    numbers.push(...[...normals(x, y), ...normals(u, v)].filter((n) => Math.abs(n) < 2));
  }
  return numbers.slice(0, 4);
}
/* `latents.draw_z` for one seed; `truncation` is null or a number. */
function drawZ(seed, size, truncation) {
  const block = blocks(fold(0, seed)), z = new Float32Array(size);
  for (let i = 0; i < size; i += 4) {
    const [x, y, u, v] = block(i / 4);
    const four = truncation === null
      ? [...normals(x, y), ...normals(u, v)]
      : cutNormals(block, i / 4).map((n) => f32(truncation) * n);
    z.set(four.slice(0, size - i), i);
  }
  return z;
}
/* `latents.draw_labels` for one seed. */
const drawLabel = (seed, classes) => blocks(fold(1, seed))(0)[0] % classes;

/* `walks.slerp` at one fraction. */
function slerp(start, end, fraction) {
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const lengths = Math.sqrt(dot(start, start) * dot(end, end));
  const angle = Math.acos(Math.min(1, Math.max(-1, lengths ? dot(start, end) / lengths : 1)));
  const isLine = Math.sin(angle) < 1e-6;
  const share = (t) => (isLine ? t : Math.sin(t * angle) / Math.sin(angle));
  return start.map((x, i) => share(1 - fraction) * x + share(fraction) * end[i]);
}

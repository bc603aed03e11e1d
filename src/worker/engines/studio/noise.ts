/** Side of the square noise tile, in pixels; a power of two, so that a mask repeats it. */
export const tileSide = 512;
const mask = tileSide - 1;
/** Standard deviation of the tile's values; its extremes, +-127, are then just over three of them. */
export const tileDeviation = 40;

/** A tile of grain that repeats without a seam, always the same for the same seed. `size` 1 is about two pixels. */
export function drawNoiseTile(seed: number, size: number): Int8Array {
  let noise = whiteNoise(seed);
  const passes = Math.min(6, Math.max(1, Math.round(size)));
  for (let pass = 0; pass < passes; pass++) noise = smooth(noise);
  return normalise(noise);
}

/** Sums of four uniform values: close enough to Gaussian. */
function whiteNoise(seed: number): Float32Array {
  const random = mulberry32(seed);
  const noise = new Float32Array(tileSide * tileSide);
  for (let at = 0; at < noise.length; at++) noise[at] = random() + random() + random() + random() - 2;
  return noise;
}

/** Averages each value with its right, lower and diagonal neighbours, around the edges. */
function smooth(noise: Float32Array): Float32Array {
  const smoothed = new Float32Array(noise.length);
  for (let at = 0; at < noise.length; at++) {
    const row = at & ~mask;
    const below = (row + tileSide) & (noise.length - 1);
    const right = (at + 1) & mask;
    const here = (noise[at] ?? 0) + (noise[row | right] ?? 0);
    smoothed[at] = here + (noise[below | (at & mask)] ?? 0) + (noise[below | right] ?? 0);
  }
  return smoothed;
}

/** Scales to the tile's deviation, so that smoother grain is no weaker. */
function normalise(noise: Float32Array): Int8Array {
  let [sum, squares] = [0, 0];
  for (const value of noise) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / noise.length;
  const scale = tileDeviation / Math.sqrt(squares / noise.length - mean * mean);
  const tile = new Int8Array(noise.length);
  for (let at = 0; at < tile.length; at++) {
    tile[at] = Math.max(-127, Math.min(127, Math.round(((noise[at] ?? 0) - mean) * scale)));
  }
  return tile;
}

/** A small generator of uniform values below 1, good enough for grain. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Draws without putting back; the same seed draws the same.
export function drawSample(all, size, seed) {
  const random = createRandom(seed);
  const rest = [...all];
  const take = () => rest.splice(Math.floor(random() * rest.length), 1)[0];
  return Array.from({ length: Math.min(size, all.length) }, take);
}

/** Mulberry32: numbers from 0 to 1. */
function createRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}

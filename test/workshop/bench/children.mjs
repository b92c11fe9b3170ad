// Each row is measured in a process of its own, so that none suffers from another's timers, memory or death.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

/**
 * Runs a script of this folder; resolves to the JSON values it printed, one a line, and how it died, if it
 * did.
 */
export async function runChild(script, args = [], flags = []) {
  const path = join(import.meta.dirname, script);
  const child = spawn(process.execPath, [...flags, path, ...args.map((each) => JSON.stringify(each))], {
    timeout: 900_000,
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'])
    child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  const values = output.stdout
    .split('\n')
    .filter((line) => /^[{[\d]/.test(line))
    .map((line) => JSON.parse(line));
  const death =
    code === 0
      ? undefined
      : (/^\w*Error.*$/m.exec(output.stderr)?.[0] ?? `exit ${code}: ${output.stderr.slice(-300)}`);
  return { values, death };
}

/** The arguments that `runChild` gave. */
export const childArguments = () => process.argv.slice(2).map((each) => JSON.parse(each));

export const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** The median of several processes, and how far they lie apart. */
export function spread(values, digits) {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: round(median(values), digits),
    from: round(sorted[0], digits),
    to: round(sorted.at(-1), digits),
  };
}

/** The median of many samples, and between which values the middle half of them lies. */
export function quartiles(values, digits) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => round(sorted[Math.floor(share * (sorted.length - 1))], digits);
  return { median: round(median(values), digits), from: at(0.25), to: at(0.75) };
}

/** Bytes of what is in use. Needs --expose-gc. */
export async function usedHeap() {
  for (let index = 0; index < 4; index++) {
    await turn();
    globalThis.gc();
  }
  return process.memoryUsage().heapUsed;
}

/** Reads an answer's body: axios has done so. */
export const readBody = async (response) => (response.arrayBuffer ? response.arrayBuffer() : undefined);

export const round = (value, digits) => Number(value.toFixed(digits));

/** The jitter is drawn, and an outage has to meet the same draws again (mulberry32). */
/** Draws that come out the same each time (mulberry32). */
export function seeded(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// Each row is measured in a process of its own, so that none suffers from another's timers, memory or death.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Runs a script of this folder; resolves to the JSON values it printed, one a line, and how it died, if it did. */
export async function runChild(script, args = [], flags = []) {
  const path = join(import.meta.dirname, script);
  const child = spawn(process.execPath, [...flags, path, ...args.map((each) => JSON.stringify(each))], { timeout: 300_000 });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  const values = output.stdout.split('\n').filter((line) => /^[{[\d]/.test(line)).map((line) => JSON.parse(line));
  const death = code === 0 ? undefined : (/^\w*Error.*$/m.exec(output.stderr)?.[0] ?? `exit ${code}: ${output.stderr.slice(-300)}`);
  return { values, death };
}

/** The arguments that `runChild` gave. */
export const childArguments = () => process.argv.slice(2).map((each) => JSON.parse(each));

export const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** Reads an answer's body: axios and Azure have done so. */
export const readBody = async (response) => (response.arrayBuffer ? response.arrayBuffer() : undefined);

export const round = (value, digits) => Number(value.toFixed(digits));

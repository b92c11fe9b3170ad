// Runs the suite in every runtime and makes the table of results. Run as a program it prints the table and
// puts it into this folder's README.md; the test compares what stands there.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RUNTIMES } from './drivers.mjs';
import { startServers } from './server.mjs';

const PAGE = join(import.meta.dirname, 'README.md');
const MARKED = /(?<=<!-- matrix -->\n)[^]*(?=<!-- \/matrix -->)/;
const NOT_RUN = `Browsers hide redirects, other platforms show them. Not run: Safari, Firefox 115, the production network of Cloudflare Workers.\n`;

/** Never rejects: a runtime that gives no results has failed. */
export async function runIn(name, servers) {
  const run = encodeURIComponent(name.replaceAll(/\W+/g, '-'));
  try {
    return { name, ...(await RUNTIMES[name]({ ...servers, servers, run })) };
  } catch (error) {
    return { name, version: '', results: [{ name: 'gives results', error: String(error?.stack ?? error) }] };
  }
}

/** What was skipped, as `need: number of cases`. */
export function skipsOf({ results }) {
  const skips = {};
  for (const { lacking } of results) if (lacking) skips[lacking] = (skips[lacking] ?? 0) + 1;
  return skips;
}

export const failuresOf = ({ results }) =>
  results.filter(({ error }) => error).map(({ name, error }) => `${name}: ${error}`);

/** A row for each result, with the runtimes next to each other that share it. */
export function tableOf(runs) {
  const rows = [];
  for (const run of runs) {
    const skips = Object.entries(skipsOf(run)).map(([need, count]) => `${count} ${need}`);
    const [failed, skipped] = [failuresOf(run).length, run.results.filter(({ lacking }) => lacking).length];
    const result = `${run.results.length - failed - skipped} | ${failed} | ${skips.join(', ')}`;
    if (rows.at(-1)?.result !== result) rows.push({ result, names: [], versions: [] });
    rows.at(-1).names.push(run.name);
    rows.at(-1).versions.push(run.version);
  }
  const lines = rows.map(
    ({ result, names, versions }) => `| ${names.join(', ')} | ${versions.join(', ')} | ${result} |\n`,
  );
  const head = '| runtime | version | passed | failed | skipped |\n| --- | --- | --- | --- | --- |\n';
  return `${head}${lines.join('')}\n${NOT_RUN}`;
}

/** The table as it stands in the page. */
export const writtenTable = () => MARKED.exec(readFileSync(PAGE, 'utf8'))[0];

async function main() {
  const servers = await startServers();
  const runs = [];
  for (const name of Object.keys(RUNTIMES)) runs.push(await runIn(name, servers));
  servers.close();
  const table = tableOf(runs);
  console.log(table);
  for (const run of runs) for (const failure of failuresOf(run)) console.error(`${run.name}: ${failure}`);
  writeFileSync(
    PAGE,
    readFileSync(PAGE, 'utf8').replace(MARKED, () => table),
  );
  process.exitCode = runs.some((run) => failuresOf(run).length > 0) ? 1 : 0;
}

if (process.argv[1] === import.meta.filename) await main();

// Bar charts of the results, as SVG that fits light and dark pages.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { round } from './children.mjs';
import { BARE, OURS, ROWS } from './rows.mjs';

const FOLDER = join(import.meta.dirname, 'charts');
const STAMPEDE =
  'Token requests of 1,000 calls at once: with no token yet, and with an expired one (logarithmic)';
const [WIDTH, LEFT, RIGHT, ROW, TOP] = [760, 230, 90, 26, 44];

export function writeCharts(results) {
  mkdirSync(FOLDER, { recursive: true });
  const { stampede, repeatedLeft, repeatedFull, secondOutage, coldStart, throughput, size, quoted } = results;
  const sdk = quoted.name;
  // Not the revoked token: whoever makes no request for it fails all calls, and would look the best.
  const sum = ({ cold, expired }) => [cold, expired].reduce((all, each) => all + (each.to ?? each), 0);
  draw('stampede', STAMPEDE, true, [
    ...bars(ROWS, (name) => sum(stampede[name])),
    [sdk, sum(quoted.stampede)],
  ]);
  draw(
    'repeatedToken',
    'Token requests of a day, the server repeats its token (logarithmic)',
    true,
    bars(ROWS, (name) => repeatedLeft[name].tokenRequests),
  );
  draw(
    'failedCalls',
    'Calls of a day that fail, the server repeats its token and says 3600 (logarithmic)',
    true,
    bars(ROWS, (name) => repeatedFull[name].failed),
  );
  draw('outage', 'Calls that fail while for four minutes no request brings a token (logarithmic)', true, [
    ...bars(ROWS, (name) => secondOutage[name].failed),
    [sdk, quoted.secondOutage.failed],
  ]);
  draw(
    'fleet',
    'Store operations of each process of a fleet: at a cold start, and in an hour of use',
    false,
    [...fleetBars(results.fleet, 'cold start', 'cold'), ...fleetBars(results.fleet, 'an hour', 'hour')],
  );
  draw(
    'coldStart',
    'Processor time to the first answer of a process, compared with a shared promise by hand',
    false,
    bars([BARE[0], ...ROWS], (name) => coldStart[name].cpu.median),
  );
  draw(
    'throughput',
    'Calls for the same processor time, 64 at a time, compared with bare fetch',
    false,
    bars([BARE[1], ...ROWS], (name) => throughput[name].at64.median),
  );
  draw('size', 'Browser bundle, minified, gzip, in kB', false, [
    ...bars(ROWS, (name) => kilobytes(size[name])),
    [sdk, kilobytes(quoted.size)],
  ]);
}

/** In one line, as the charts have it. */
const DARK = [
  '@media (prefers-color-scheme: dark) {',
  'text { fill: #e6edf3; } rect { fill: #6e7681; } rect.ours { fill: #8db4ff; }',
  '}',
].join(' ');

const bars = (rows, read) => rows.map(({ name }) => [name, read(name)]);
function fleetBars(sizes, label, phase) {
  return Object.entries(sizes).map(([size, { [phase]: of }]) => [
    `${label}, ${Number(size).toLocaleString('en')} processes`,
    round(of.tokenOperations + of.sessionOperations, 1),
  ]);
}

const kilobytes = ({ gzip }) => Number((gzip / 1000).toFixed(1));

function draw(name, title, isLogarithmic, all) {
  const scale = (value) => (isLogarithmic ? Math.log10(value + 1) : value);
  const longest = Math.max(...all.map(([, value]) => scale(value))) || 1;
  const lines = all.map(([label, value], index) => {
    const y = TOP + index * ROW;
    const width = ((WIDTH - LEFT - RIGHT) * scale(value)) / longest;
    const end = LEFT + Math.max(width, 1) + 6;
    const bar = `x="${LEFT}" y="${y}" width="${Math.max(width, 1).toFixed(1)}" height="18" rx="2"`;
    return `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${label}</text>
<rect ${bar}${label === OURS.name ? ' class="ours"' : ''}/>
<text x="${end.toFixed(1)}" y="${y + 13}">${value.toLocaleString('en')}</text>`;
  });
  const height = TOP + all.length * ROW + 8;
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${title}">
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
rect { fill: #8c959f; }
rect.ours { fill: #1d4ed8; }
${DARK}
</style>
<text class="title" x="8" y="22">${title}</text>
${lines.join('\n')}
</svg>
`;
  writeFileSync(join(FOLDER, `${name}.svg`), svg);
}

// Bar charts of the results, as SVG that fits light and dark pages.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BARE, OURS, ROWS } from './rows.mjs';

const FOLDER = join(import.meta.dirname, 'charts');
const [WIDTH, LEFT, RIGHT, ROW, TOP] = [760, 230, 90, 26, 44];

export function writeCharts(results) {
  mkdirSync(FOLDER, { recursive: true });
  const { stampede, firstOutage, secondOutage, coldStart, throughput, size, quoted } = results;
  const sdk = quoted.name;
  const sum = ({ cold, expired, revoked }) => [cold, expired, revoked].reduce((all, each) => all + (each?.tokenRequests ?? each ?? 0), 0);
  const failed = (first, second) => first.failed + second.failed;
  draw('stampede', 'Token requests of 1,000 calls at once: no token, expired, revoked (logarithmic)', true, [
    ...bars(ROWS, (name) => sum(stampede[name])),
    [sdk, sum(quoted.stampede)],
  ]);
  draw('outages', 'Failed calls of 97,200 in two outages of four minutes (logarithmic)', true, [
    ...bars(ROWS, (name) => failed(firstOutage[name], secondOutage[name])),
    [sdk, failed(quoted.firstOutage, quoted.secondOutage)],
  ]);
  draw('coldStart', 'First answer of a fresh process, compared with by hand', false, bars([BARE[0], ...ROWS], (name) => coldStart[name].ratio));
  draw('throughput', 'Calls over loopback, 64 at a time, compared with bare fetch', false, bars(ROWS, (name) => throughput[name].at64));
  draw('size', 'Browser bundle, minified, gzip, in kB', false, [
    ...bars(ROWS, (name) => kilobytes(size[name])),
    [sdk, kilobytes(quoted.size)],
  ]);
}

const bars = (rows, valueOf) => rows.map(({ name }) => [name, valueOf(name)]);
const kilobytes = ({ gzip }) => Number((gzip / 1000).toFixed(1));

function draw(name, title, isLogarithmic, all) {
  const scale = (value) => (isLogarithmic ? Math.log10(value + 1) : value);
  const longest = Math.max(...all.map(([, value]) => scale(value)));
  const lines = all.map(([label, value], index) => {
    const y = TOP + index * ROW;
    const width = ((WIDTH - LEFT - RIGHT) * scale(value)) / longest;
    const end = LEFT + Math.max(width, 1) + 6;
    return `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${label}</text>
<rect x="${LEFT}" y="${y}" width="${Math.max(width, 1).toFixed(1)}" height="18" rx="2"${label === OURS.name ? ' class="ours"' : ''}/>
<text x="${end.toFixed(1)}" y="${y + 13}">${value.toLocaleString('en')}</text>`;
  });
  const height = TOP + all.length * ROW + 8;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${title}">
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
rect { fill: #8c959f; }
rect.ours { fill: #1a7f37; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } rect { fill: #6e7681; } rect.ours { fill: #3fb950; } }
</style>
<text class="title" x="8" y="22">${title}</text>
${lines.join('\n')}
</svg>
`;
  writeFileSync(join(FOLDER, `${name}.svg`), svg);
}

// The README's benchmark table, made of results.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROWS } from './rows.mjs';

const HEAD = [
  'row',
  'token requests of 1,000 calls: cold / expired / revoked',
  'a day: waited / sent expired',
  'failed: day / outage 1 / outage 2',
  'throughput × `fetch`',
  'first answer × by hand',
  'heap a client, kB',
  'gzip, kB',
  'packages',
];

export function benchmarks() {
  const results = JSON.parse(readFileSync(join(import.meta.dirname, 'results.json'), 'utf8'));
  const { quoted } = results;
  const rows = ROWS.map(({ name, packages: [main] }) => {
    const { [main]: version = '' } = name === 'thingspace-auth' ? {} : results.versions;
    const of = (table) => results[table][name];
    return line([
      `${name} ${version}`.trim(),
      ...counted(of, ({ tokenRequests } = {}) => tokenRequests ?? 'process died'),
      of('throughput').at64.toFixed(2),
      of('coldStart').ratio.toFixed(2),
      kilobytes(of('heap').perClient),
      kilobytes(of('size').gzip),
      of('size').packages,
    ]);
  });
  const { gzip, packages } = quoted.size;
  const last = line([`${quoted.name} (measured ${quoted.measuredOn})`, ...counted((table) => quoted[table], (count) => count), '', '', '', kilobytes(gzip), packages]);
  return [line(HEAD), line(HEAD.map(() => '---')), ...rows, last].join('');
}

function counted(of, countOf) {
  const { cold, expired, revoked } = of('stampede');
  const { waited, sentExpired, failed } = of('day');
  return [
    [cold, expired, revoked].map(countOf).join(' / '),
    `${waited} / ${sentExpired}`,
    [failed, of('firstOutage').failed, of('secondOutage').failed].join(' / '),
  ];
}

const kilobytes = (bytes) => (bytes / 1000).toFixed(1);
const line = (cells) => `| ${cells.join(' | ')} |\n`;

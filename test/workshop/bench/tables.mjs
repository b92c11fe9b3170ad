// The tables of this folder's README.md, made of results.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BARE, BY_HAND, OURS, ROWS } from './rows.mjs';

const results = () => JSON.parse(readFileSync(join(import.meta.dirname, 'results.json'), 'utf8'));

/** Who keeps the token, and the token requests of 1,000 calls and of a day. */
export function counts() {
  const { versions, quoted, ...all } = results();
  const rows = ROWS.map(({ name, cache, packages: [main] }) => {
    const { stampede, day } = of(all, name);
    const version = name === OURS.name ? undefined : versions[main];
    return [
      version ? `${name} ${version}` : name,
      cache,
      ...['cold', 'expired'].map((scenario) => rangeOf(stampede[scenario])),
      `${rangeOf(stampede.revoked)}; ${grouped(stampede.revoked.answered)}`,
      ...countsOf(day),
    ];
  });
  const { cold, expired, revoked } = quoted.stampede;
  const last = [
    `${quoted.name} (${quoted.measuredOn})`,
    'its own',
    cold,
    expired,
    `${revoked}; 0`,
    ...countsOf(quoted.day),
  ];
  const head = [
    'row',
    'who keeps the token',
    'no token yet: token requests',
    'expired: token requests',
    'revoked: token requests; calls answered',
    'a day: token requests',
    'calls that waited',
    'calls sent with an expired token',
    'calls that failed',
  ];
  return table(head, [...rows, last]);
}

const countsOf = ({ tokenRequests, waited, sentExpired, failed }) => [
  tokenRequests,
  waited,
  sentExpired,
  failed,
];
const rangeOf = ({ from, to }) => (from === to ? from : `${from} to ${to}`);

/** What a repeated token and an outage cost. */
export function trouble() {
  const all = results();
  const rows = ROWS.map(({ name }) => {
    const { repeatedLeft, repeatedFull, firstOutage, secondOutage } = of(all, name);
    return [
      name,
      ...[repeatedLeft, repeatedFull].map(
        ({ tokenRequests, failed }) => `${grouped(tokenRequests)}; ${grouped(failed)}`,
      ),
      ...[firstOutage, secondOutage].map(
        ({ refused, failed, failedAfterwards }) =>
          `${refused}; ${grouped(failed)}${failedAfterwards > 1000 ? ' (never recovers)' : ''}`,
      ),
    ];
  });
  const head = [
    'row',
    'repeated token, `expires_in` counts down: token requests; failed calls',
    'repeated token, `expires_in` says 3600: token requests; failed calls',
    'outage at the end of the token: token requests in it; failed calls',
    'outage at its own next request: token requests in it; failed calls',
  ];
  return table(head, rows);
}

/** Where credentials go, and what others in the process and beside it have to bear. */
export function situations() {
  const all = results();
  const rows = ROWS.map(({ name, isLed, store }) => {
    const { situations: seen, processes } = of(all, name);
    const { redirect, wrongUrl, endlessMB, givesUpAtOnce, othersAnswered } = seen;
    return [
      name,
      redirect.status === 302 ? 'none: left to the caller' : credentialsIn(redirect),
      wrongUrl.credentials.length ? credentialsIn(wrongUrl) : 'none: refused',
      isLed ? '' : `${endlessMB} MB${endlessMB >= 16 ? ': all' : ''}`,
      `${givesUpAtOnce ? 'at once' : 'when the token comes'}; ${othersAnswered}`,
      store ? `${processes.tokenRequests} (\`${store}\`)` : '64 (no store)',
    ];
  });
  const head = [
    'row',
    'a foreign redirect gets',
    'a wrong URL gets',
    'read of an endless answer',
    'one of ten gives up: it ends; others answered',
    '64 processes at once: token requests',
  ];
  return table(head, rows);
}

/** What an MCP client asks of its authorization server. */
export function mcp() {
  const { mcp: rows, versions } = results();
  const head = [
    'row',
    'at the start: token requests; metadata requests',
    'after the revocation: token requests; metadata requests',
    'calls answered',
  ];
  const both = ({ tokenRequests, metadataRequests }) => `${tokenRequests}; ${metadataRequests}`;
  return table(
    head,
    Object.entries(rows).map(([name, row]) => [
      name === OURS.name ? name : `\`ClientCredentialsProvider\` of ${name} ${versions[name]}`,
      both(row.start),
      both(row),
      row.answered,
    ]),
  );
}

/** What a fleet asks of the servers, and of its store. */
export function fleet() {
  const { fleet: sizes } = results();
  const rows = Object.entries(sizes).map(([size, { cold, hour }]) => [
    grouped(Number(size)),
    `${cold.tokenRequests}; ${cold.logins}`,
    atStart(cold).toFixed(1),
    `${hour.tokenRequests}; ${hour.logins}`,
    hour.tokenOperations.toFixed(1),
    inUse(hour).toFixed(1),
    grouped(perSecond(Number(size), hour)),
  ]);
  const head = [
    'processes',
    'cold start: token requests; logins',
    'store operations of each process',
    'an hour of use: token requests; logins',
    'store operations of each process for the renewal in it',
    'for the whole hour',
    'of all processes, a second',
  ];
  return table(head, rows);
}

/** The figures of a fleet in words, so that they cannot differ from the table. */
export function fleetInWords() {
  const all = Object.entries(results().fleet);
  const [least, most] = [Math.min, Math.max].map((pick) => (values) => pick(...values).toFixed(1));
  const starts = all.map(([, { cold }]) => atStart(cold));
  const renewals = all.map(([, { hour }]) => hour.tokenOperations);
  const [size, { cold, hour }] = all.at(-1);
  const burst = grouped(Math.round(Number(size) * atStart(cold)));
  return [
    'However many processes begin, they make one token request and one login, and each takes ',
    `${least(starts)} to ${most(starts)} store operations.\n`,
    `A renewal is one token request again, and ${least(renewals)} to ${most(renewals)} operations of each `,
    'process; the rest of an hour is one read of the session for each call.\n',
    `So ${grouped(Number(size))} processes send ${grouped(perSecond(Number(size), hour))} operations a `,
    `second while they work, and ${burst} if all of them begin at one moment.\n`,
  ].join('');
}

const atStart = ({ tokenOperations, sessionOperations }) => tokenOperations + sessionOperations;
const inUse = atStart;
const perSecond = (size, hour) => Math.ceil((size * inUse(hour)) / 3600);

function credentialsIn({ credentials }) {
  const names = { authorization: 'bearer', 'vz-m2m-token': 'session' };
  return credentials.map((each) => names[each]).join(', ') || 'none';
}

/** What is measured; medians. */
export function costs() {
  const all = results();
  const rows = [...BARE, ...ROWS].map(({ name }) => {
    const { throughput, coldStart, cost, heap, waiting, size } = of(all, name);
    return [
      name,
      throughput.at64.median.toFixed(2),
      throughput.at1.median.toFixed(2),
      coldStart.cpu.median.toFixed(2),
      cost.overStubUs.call.median.toFixed(1),
      heap ? kilobytes(heap.perClient.median) : '',
      waiting ? `${kilobytes(waiting.bytes.median)} kB; ${waiting.cpuUs.median.toFixed(1)} µs` : '',
      kilobytes(size.gzip),
      size.packages,
    ];
  });
  const { name, size } = all.quoted;
  const head = [
    'row',
    '64 calls at a time, × `fetch`',
    'one at a time, × `fetch`',
    'first answer, × a shared promise by hand',
    'a warm call beside its `fetch`, µs',
    'heap of a client, kB',
    'a call that waits for a token',
    'gzip, kB',
    'packages',
  ];
  return table(head, [...rows, [name, '', '', '', '', '', '', kilobytes(size.gzip), size.packages]]);
}

/** What a time limit costs, here and by hand. */
export function limits() {
  const all = results();
  const rows = [OURS, BY_HAND].map(({ name }) => {
    const { heap, signals } = of(all, name);
    return [name, ...[heap.perTimedCall, signals.bytes].map(({ median }) => grouped(median))];
  });
  rows.push([BARE[0].name, '', grouped(all.signals[BARE[0].name].bytes.median)]);
  return table(
    [
      'row',
      'held by a finished call with a `timeout`, bytes',
      'the same with `AbortSignal.any` for each call, bytes',
    ],
    rows,
  );
}

const of = (all, row) => Object.fromEntries(Object.entries(all).map(([part, rows]) => [part, rows[row]]));
const grouped = (count) => count.toLocaleString('en');
const kilobytes = (bytes) => (bytes / 1000).toFixed(1);

function table(head, rows) {
  const lines = [
    head,
    head.map(() => '---'),
    ...rows.map((cells) => cells.map((cell) => (typeof cell === 'number' ? grouped(cell) : cell))),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

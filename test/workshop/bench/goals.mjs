// The goals of the benchmarks, as far as the results show them.
import { round } from './children.mjs';
import { BARE, BY_HAND, OURS } from './rows.mjs';

const PLATFORM_LIMIT = 'fetch with AbortSignal.timeout';

/** Each goal with the value that was reached: the median, where there are several processes. */
export function goals(results) {
  const ours = Object.fromEntries(Object.entries(results).map(([table, rows]) => [table, rows[OURS.name]]));
  const has = (table) => ours[table] !== undefined;
  return [
    ...(has('stampede') ? stampede(ours.stampede) : []),
    ...(has('day') ? day(ours.day) : []),
    ...['repeatedLeft', 'repeatedFull'].filter(has).map((table) => repeated(table, ours[table])),
    ...['firstOutage', 'secondOutage'].filter(has).flatMap((table) => outage(table, ours[table])),
    ...(has('situations') ? situations(ours.situations) : []),
    ...(has('processes') ? processes(ours.processes) : []),
    ...(results.fleet ? fleet(results.fleet) : []),
    ...(has('cost') ? cost(ours.cost) : []),
    ...(has('throughput') ? throughput(results.throughput) : []),
    ...(has('coldStart') ? coldStart(ours.coldStart) : []),
    ...(has('heap') ? heap(ours.heap) : []),
    ...(has('waiting') ? waiting(ours.waiting) : []),
    ...(has('signals') ? signals(results.signals) : []),
    ...(results.client ? client(results.client) : []),
  ];
}

function goal(goal, value, isMet) {
  return { goal, value, isMet };
}

function stampede(runs) {
  return ['cold', 'expired', 'revoked'].map((name) => {
    const { to, answered } = runs[name];
    return goal(
      `1,000 calls at once, ${name}: 1 token request, all answered`,
      `${to}, ${answered}`,
      to === 1 && answered === 1000,
    );
  });
}

function day({ tokenRequests, waited, sentExpired, failed }) {
  return [
    goal('day: 24 to 28 token requests', tokenRequests, tokenRequests >= 24 && tokenRequests <= 28),
    goal('day: one call that waited', waited, waited === 1),
    goal('day: no expired token sent', sentExpired, sentExpired === 0),
    goal('day: no call failed', failed, failed === 0),
  ];
}

function repeated(table, { tokenRequests, failed }) {
  return goal(
    `${table}: at most 50 token requests, no call failed`,
    `${tokenRequests}, ${failed}`,
    tokenRequests <= 50 && failed === 0,
  );
}

function outage(table, { failed, refused, unanswered = 0 }) {
  return [
    goal(`${table}: no call failed`, failed + unanswered, failed + unanswered === 0),
    goal(`${table}: at most 40 token requests in it`, refused, refused <= 40),
  ];
}

function situations({ redirect, wrongUrl, endlessMB, givesUpAtOnce, othersAnswered }) {
  const seen = [...redirect.credentials, ...wrongUrl.credentials];
  return [
    goal('another origin sees no credential', seen.join() || 'none', seen.length === 0),
    goal('an endless answer is left within a megabyte', endlessMB, endlessMB < 1),
    goal(
      'who gives up waits no longer, the nine others are answered',
      `${givesUpAtOnce}, ${othersAnswered}`,
      givesUpAtOnce && othersAnswered === 9,
    ),
  ];
}

function processes({ tokenRequests, answered }) {
  return [
    goal(
      '64 processes at once: 1 token request, all answered',
      `${tokenRequests}, ${answered}`,
      tokenRequests === 1 && answered === 64,
    ),
  ];
}

/** By the number of simulated processes. */
function fleet(sizes) {
  return Object.entries(sizes).map(([size, { cold, hour }]) => {
    const servers = [
      cold.tokenRequests,
      cold.logins,
      hour.tokenRequests,
      hour.logins,
      cold.failed + hour.failed,
    ];
    const operations = cold.tokenOperations + cold.sessionOperations;
    return goal(
      `${size} processes: 1 token request and login at first, 1 and 0 in an hour, none fails; ≤ 10 operations each`,
      `${servers}; ${round(operations, 1)}`,
      servers.join() === '1,1,1,0,0' && operations <= 10,
    );
  });
}

function cost({ overStubUs, growth }) {
  const { [PLATFORM_LIMIT]: platformLimit, ...variants } = overStubUs;
  const calls = Object.entries(variants).map(([variant, { median }]) => {
    // A signal of the platform's costs more than all that we do, and how much is the machine's affair.
    const isTimed = variant.includes('timeout');
    const limit = isTimed ? 1.15 * platformLimit.median : 2.5;
    const told = isTimed ? `1.15 × ${PLATFORM_LIMIT}, ${limit.toFixed(2)}` : limit;
    return goal(`warm call over the stub, ${variant}: ≤ ${told} µs`, median, median <= limit);
  });
  return [
    ...calls,
    goal('10,000 calls on one signal: no growth (≤ 1.1)', growth.median, growth.median <= 1.1),
  ];
}

function throughput(rows) {
  const [ratio, byHand] = [OURS, BY_HAND].map(({ name }) => rows[name].at64.median);
  return [
    goal(
      'throughput at 64 calls: ≥ 0.95 × bare fetch, or by hand − 0.03',
      `${ratio} (by hand ${byHand})`,
      ratio >= 0.95 || ratio >= byHand - 0.03,
    ),
  ];
}

function coldStart({ cpu }) {
  return [goal('first answer of a process: ≤ 1.05 × by hand', cpu.median, cpu.median <= 1.05)];
}

function heap({ perClient, perTimedCall }) {
  return [
    goal('heap of a client with a token: ≤ 1,200 bytes', perClient.median, perClient.median <= 1200),
    goal('held by a finished timed call: ≤ 1,500 bytes', perTimedCall.median, perTimedCall.median <= 1500),
  ];
}

function waiting({ bytes, cpuUs }) {
  return [
    goal('each of 100,000 calls that wait for one token: ≤ 1,500 bytes', bytes.median, bytes.median <= 1500),
    goal('each of 100,000 calls that wait for one token: ≤ 8 µs', cpuUs.median, cpuUs.median <= 8),
  ];
}

function signals(rows) {
  const [held, byFetch] = [OURS, BARE[0]].map(({ name }) => rows[name].bytes.median);
  return [
    goal(
      'held by a finished timed call with a signal of its own: ≤ bare fetch + 200 bytes',
      `${held} (bare fetch ${byFetch})`,
      held <= byFetch + 200,
    ),
  ];
}

function client({ gzip }) {
  return [goal('`createClient`: ≤ 9,800 bytes gzip', gzip, gzip <= 9800)];
}

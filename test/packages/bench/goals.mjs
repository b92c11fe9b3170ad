// What the benchmarks have to show, as far as the results hold it.
import { BARE, BY_HAND, OURS } from './rows.mjs';

const PLATFORM_LIMIT = 'fetch with AbortSignal.timeout';

/** Each goal with the value that was reached: the median, where there are several processes. */
export function goals(results) {
  const all = [];
  const add = (goal, value, isMet) => all.push({ goal, value, isMet });
  const ours = Object.fromEntries(Object.entries(results).map(([table, rows]) => [table, rows[OURS.name]]));
  for (const name of ours.stampede ? ['cold', 'expired', 'revoked'] : []) {
    const { to, answered } = ours.stampede[name];
    add(
      `1,000 calls at once, ${name}: 1 token request, all answered`,
      `${to}, ${answered}`,
      to === 1 && answered === 1000,
    );
  }
  if (ours.day) {
    const { tokenRequests, waited, sentExpired, failed } = ours.day;
    add('day: 24 to 28 token requests', tokenRequests, tokenRequests >= 24 && tokenRequests <= 28);
    add('day: one call that waited', waited, waited === 1);
    add('day: no expired token sent', sentExpired, sentExpired === 0);
    add('day: no call failed', failed, failed === 0);
  }
  for (const table of ['repeatedLeft', 'repeatedFull']) {
    if (!ours[table]) continue;
    const { tokenRequests, failed } = ours[table];
    add(
      `${table}: at most 50 token requests, no call failed`,
      `${tokenRequests}, ${failed}`,
      tokenRequests <= 50 && failed === 0,
    );
  }
  for (const table of ['firstOutage', 'secondOutage']) {
    if (!ours[table]) continue;
    const { failed, refused, unanswered = 0 } = ours[table];
    add(`${table}: no call failed`, failed + unanswered, failed + unanswered === 0);
    add(`${table}: at most 40 token requests in it`, refused, refused <= 40);
  }
  if (ours.situations) {
    const { redirect, wrongUrl, endlessMB, givesUpAtOnce, othersAnswered } = ours.situations;
    const seen = [...redirect.credentials, ...wrongUrl.credentials];
    add('another origin sees no credential', seen.join() || 'none', seen.length === 0);
    add('an endless answer is left within a megabyte', endlessMB, endlessMB < 1);
    add(
      'who gives up waits no longer, the nine others are answered',
      `${givesUpAtOnce}, ${othersAnswered}`,
      givesUpAtOnce && othersAnswered === 9,
    );
  }
  if (ours.fleet) {
    const { tokenRequests, answered } = ours.fleet;
    add(
      '64 processes at once: 1 token request, all answered',
      `${tokenRequests}, ${answered}`,
      tokenRequests === 1 && answered === 64,
    );
  }
  const { [PLATFORM_LIMIT]: platformLimit, ...variants } = ours.cost?.overStubUs ?? {};
  for (const [variant, { median }] of Object.entries(variants)) {
    // A signal of the platform's costs more than all that we do, and how much is the machine's affair.
    const isTimed = variant.includes('timeout');
    const limit = isTimed ? 1.15 * platformLimit.median : 2.5;
    add(
      `warm call over the stub, ${variant}: ≤ ${isTimed ? `1.15 × ${PLATFORM_LIMIT}, ${limit.toFixed(2)}` : limit} µs`,
      median,
      median <= limit,
    );
  }
  if (ours.cost)
    add(
      '10,000 calls on one signal: no growth (≤ 1.1)',
      ours.cost.growth.median,
      ours.cost.growth.median <= 1.1,
    );
  if (ours.throughput) {
    const [ratio, byHand] = [OURS, BY_HAND].map(({ name }) => results.throughput[name].at64.median);
    add(
      'throughput at 64 calls: ≥ 0.95 × bare fetch, or by hand − 0.03',
      `${ratio} (by hand ${byHand})`,
      ratio >= 0.95 || ratio >= byHand - 0.03,
    );
  }
  if (ours.coldStart)
    add(
      'first answer of a process: ≤ 1.05 × by hand',
      ours.coldStart.cpu.median,
      ours.coldStart.cpu.median <= 1.05,
    );
  if (ours.heap) {
    const { perClient, perTimedCall } = ours.heap;
    add('heap of a client with a token: ≤ 1,200 bytes', perClient.median, perClient.median <= 1200);
    add('held by a finished timed call: ≤ 1,500 bytes', perTimedCall.median, perTimedCall.median <= 1500);
  }
  if (ours.waiting) {
    const { bytes, cpuUs } = ours.waiting;
    add('each of 100,000 calls that wait for one token: ≤ 1,500 bytes', bytes.median, bytes.median <= 1500);
    add('each of 100,000 calls that wait for one token: ≤ 8 µs', cpuUs.median, cpuUs.median <= 8);
  }
  if (ours.signals) {
    const [held, byFetch] = [OURS, BARE[0]].map(({ name }) => results.signals[name].bytes.median);
    add(
      'held by a finished timed call with a signal of its own: ≤ bare fetch + 200 bytes',
      `${held} (bare fetch ${byFetch})`,
      held <= byFetch + 200,
    );
  }
  if (results.client)
    add('`createClient`: ≤ 9,500 bytes gzip', results.client.gzip, results.client.gzip <= 9500);
  return all;
}

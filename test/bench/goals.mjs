// What the benchmarks have to show, as far as the results hold it.
import { BY_HAND, OURS } from './rows.mjs';

/** Each goal with the value that was reached. */
export function goals(results) {
  const all = [];
  const add = (goal, value, isMet) => all.push({ goal, value, isMet });
  const ours = Object.fromEntries(Object.entries(results).map(([table, rows]) => [table, rows[OURS.name]]));
  for (const name of ours.stampede ? ['cold', 'expired', 'revoked'] : []) {
    const { tokenRequests, outcomes } = ours.stampede[name] ?? {};
    add(`1,000 calls at once, ${name}: 1 token request, all answered`, tokenRequests, tokenRequests === 1 && outcomes[200] === 1000);
  }
  if (ours.day) {
    const { tokenRequests, waited, sentExpired, failed } = ours.day;
    add('day: 24 to 28 token requests', tokenRequests, tokenRequests >= 24 && tokenRequests <= 28);
    add('day: one call that waited', waited, waited === 1);
    add('day: no expired token sent', sentExpired, sentExpired === 0);
    add('day: no call failed', failed, failed === 0);
  }
  for (const table of ['firstOutage', 'secondOutage']) {
    if (ours[table]) {
      const { failed, unanswered = 0 } = ours[table];
      add(`${table}: no call failed`, failed + unanswered, failed + unanswered === 0);
    }
  }
  for (const [variant, us] of Object.entries(ours.cost?.overStubUs ?? {})) {
    const limit = variant.includes('timeout') ? 10 : 2.5;
    add(`warm call over the stub, ${variant}: ≤ ${limit} µs`, us, us <= limit);
  }
  if (ours.cost) add('10,000 calls on one signal: no growth (≤ 1.1)', ours.cost.growth, ours.cost.growth <= 1.1);
  if (ours.throughput) {
    const [ratio, byHand] = [ours.throughput.at64, results.throughput[BY_HAND.name].at64];
    add('throughput at 64 calls: ≥ 0.95 × bare fetch, or by hand − 0.03', `${ratio} (by hand ${byHand})`, ratio >= 0.95 || ratio >= byHand - 0.03);
  }
  if (ours.coldStart) add('first answer of a process: ≤ 1.05 × by hand', ours.coldStart.ratio, ours.coldStart.ratio <= 1.05);
  if (ours.heap) {
    add('heap of a client with a token: ≤ 1,600 bytes', ours.heap.perClient, ours.heap.perClient <= 1600);
    add('held by a finished timed call: ≤ 1,500 bytes', ours.heap.perTimedCall, ours.heap.perTimedCall <= 1500);
  }
  return all;
}

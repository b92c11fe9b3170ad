// The counted goals, in CI; what is timed is for `npm run bench`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { day, FIRST_OUTAGE, secondOutage, stampede } from './counted.mjs';
import { goals } from './goals.mjs';
import { BY_HAND, OURS } from './rows.mjs';

/** Seed of the jitter, and how long before the request the outage begins. */
const OUTAGES = [[1, 0], [2, 60], [3, 120], [4, 0], [5, 120]];

test('makes one token request for 1,000 calls with no token, an expired one, or a revoked one', async () => {
  assertGoals({ stampede: { [OURS.name]: await stampede(OURS) } }, 3);
});

test('lets one call of a day wait, and none fail, not in an outage around the end of a token either', async () => {
  const results = { day: await day(OURS), firstOutage: await day(OURS, { outage: FIRST_OUTAGE }) };

  assertGoals({ day: { [OURS.name]: results.day }, firstOutage: { [OURS.name]: results.firstOutage } }, 5);
});

for (const [seed, from] of OUTAGES) {
  test(`fails no call in an outage from ${from} s before its own second token request on, draws of seed ${seed}`, async () => {
    const result = await secondOutage(OURS, { seed, from: -from });

    assertGoals({ secondOutage: { [OURS.name]: result } }, 1);
    assert.ok(result.refused > 0, 'the outage was met');
  });
}

test('would have seen the failures: the wrapper written by hand has them', async () => {
  const { failed, failedWithValidToken, tokenRequests } = await secondOutage(BY_HAND);

  assert.ok(failed >= 100 && failedWithValidToken > 0 && tokenRequests >= 100, `${failed} ${failedWithValidToken} ${tokenRequests}`);
  assert.equal((await stampede(BY_HAND)).cold.tokenRequests, 1000);
});

function assertGoals(results, count) {
  const reached = goals(results);
  assert.equal(reached.length, count);
  for (const { goal, value, isMet } of reached) assert.ok(isMet, `${goal}: ${value}`);
}

// The counted goals, in CI; what is timed is for `npm run bench`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { day, FIRST_OUTAGE, secondOutage, situations, stampede } from './counted.mjs';
import { fleet } from './fleet.mjs';
import { goals } from './goals.mjs';
import { mcp } from './mcp.mjs';
import { processes } from './processes.mjs';
import { BY_HAND, OURS, THIRTY_LINES } from './rows.mjs';

/** Seed of the jitter, and how long before the request the outage begins. */
const OUTAGES = [
  [1, 0],
  [2, 60],
  [3, 120],
  [4, 0],
  [5, 120],
];
const written = JSON.parse(readFileSync(join(import.meta.dirname, 'results.json'), 'utf8'));

test('makes one token request for 1,000 calls with no token, an expired one, or a revoked one', async () => {
  assertGoals({ stampede: { [OURS.name]: await stampede(OURS, 1) } }, 3);
});

test('lets one call of a day wait, and none fail, not in an outage around the end of a token either', async () => {
  const results = { day: await day(OURS), firstOutage: await day(OURS, { outage: FIRST_OUTAGE }) };

  assertGoals({ day: { [OURS.name]: results.day }, firstOutage: { [OURS.name]: results.firstOutage } }, 6);
  for (const name of ['day', 'firstOutage']) assertWritten(name, results[name]);
});

for (const name of ['repeatedLeft', 'repeatedFull']) {
  test(`fails no call of a day with a server that repeats its token, and hardly asks it: ${name}`, async () => {
    const result = await day(OURS, { repeats: name === 'repeatedLeft' ? 'left' : 'full' });

    assertGoals({ [name]: { [OURS.name]: result } }, 1);
    assertWritten(name, result);
  });
}

for (const [seed, from] of OUTAGES) {
  test(`fails no call in an outage from ${from} s before its own second token request on, draws of seed ${seed}`, async () => {
    const result = await secondOutage(OURS, { seed, from: -from });

    assertGoals({ secondOutage: { [OURS.name]: result } }, 2);
    assert.ok(result.refused > 0, 'the outage was met');
  });
}

test('sends nothing to other origins, leaves an endless answer, lets one of ten go', async () => {
  assertGoals({ situations: { [OURS.name]: await situations(OURS) } }, 3);
});

test('makes one token request for 64 processes with a store', async () => {
  assertGoals({ processes: { [OURS.name]: await processes(OURS) } }, 1);
});

test('makes one token request and one login for a fleet with a store, and shows the figures of the page', async () => {
  const sizes = [10, 100];
  const result = await fleet(sizes);

  assertGoals({ fleet: result }, sizes.length);
  for (const size of sizes)
    assert.deepEqual(
      written.fleet[size],
      result[size],
      'run `npm run bench -- fleet` and commit what it writes',
    );
});

test('makes one token request for 20 tool calls of an MCP client, and shows the figures of the page', async () => {
  const result = await mcp();

  const { tokenRequests, metadataRequests, answered } = result[OURS.name];
  assert.deepEqual([tokenRequests, metadataRequests, answered], [1, 0, 20]);
  assert.deepEqual(written.mcp, result, 'run `npm run bench -- mcp` and commit what it writes');
});

test('would have seen the failures: what is written by hand has them', async () => {
  const { failed, failedWithValidToken, refused } = await secondOutage(BY_HAND);
  assert.ok(
    failed >= 100 && failedWithValidToken > 0 && refused >= 100,
    `${failed} ${failedWithValidToken} ${refused}`,
  );
  assert.equal((await stampede(BY_HAND, 1)).revoked.answered, 0);

  const results = {
    secondOutage: await secondOutage(THIRTY_LINES),
    repeatedLeft: await day(THIRTY_LINES, { repeats: 'left' }),
    situations: await situations(THIRTY_LINES),
  };
  const missed = goals(
    Object.fromEntries(Object.entries(results).map(([name, result]) => [name, { [OURS.name]: result }])),
  ).filter(({ isMet }) => !isMet);
  assert.equal(missed.length, 5, missed.map(({ goal }) => goal).join());
});

function assertGoals(results, count) {
  const reached = goals(results);
  assert.equal(reached.length, count);
  for (const { goal, value, isMet } of reached) assert.ok(isMet, `${goal}: ${value}`);
}

/** What is published is what comes out now. */
function assertWritten(name, result) {
  for (const column of ['tokenRequests', 'waited', 'sentExpired', 'failed', 'refused']) {
    assert.equal(
      written[name][OURS.name][column],
      result[column],
      `${name}, ${column}: run \`npm run bench\` and commit what it writes`,
    );
  }
}

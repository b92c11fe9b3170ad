// One call a second on a fake clock, tokens of an hour, a token endpoint that takes 200 ms and perhaps
// repeats its tokens, and perhaps an outage.
import { mock } from 'node:test';
import { childArguments, print, seeded } from './children.mjs';
import { connectRow } from './rows.mjs';
import { createService } from './service.mjs';
import { memoryWorld } from './worlds.mjs';

const STEP_MS = 100;
const START_MS = Date.UTC(2026, 0, 1);
const [file, { seconds, outage, repeats, seed = 1 }] = childArguments();

const turn = () => new Promise((resolve) => setImmediate(resolve));
Math.random = seeded(seed);
const service = createService({ latencyMs: 200, repeats });
if (outage)
  service.isDown = (nowMs) => nowMs >= START_MS + outage[0] * 1000 && nowMs < START_MS + outage[1] * 1000;
const row = await connectRow(file, await memoryWorld(service));
mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START_MS });

const result = {
  waited: 0,
  longestWaitMs: 0,
  failed: 0,
  failedWithValidToken: 0,
  failedAfterwards: 0,
  failedAtS: [],
};
let open = 0;
for (let second = 0; second < seconds; second++) {
  void call(second);
  await advance(1000);
}
for (let second = 0; open && second < 600; second++) await advance(1000);
const { tokenRequests, refused, sentExpired } = service;
const secondTokenAtS = Math.floor((service.requestedAtMs[1] - START_MS) / 1000);
const failedAtS = result.failedAtS.length ? [result.failedAtS[0], result.failedAtS.at(-1)] : undefined;
print({
  unanswered: open || undefined,
  tokenRequests,
  refused,
  sentExpired,
  ...result,
  failedAtS,
  secondTokenAtS,
});
process.exit();

async function call(second) {
  const startedAtMs = Date.now();
  open++;
  const isGood = await row.call().then(
    ({ status }) => status === 200,
    () => false,
  );
  open--;
  const waitedMs = Date.now() - startedAtMs;
  if (waitedMs > 0) result.waited++;
  result.longestWaitMs = Math.max(result.longestWaitMs, waitedMs);
  if (!isGood) noteFailure(second);
}

function noteFailure(second) {
  result.failed++;
  if (service.hasValidToken()) result.failedWithValidToken++;
  if (outage && second >= outage[1]) result.failedAfterwards++;
  result.failedAtS.push(second);
}

/** In small steps while something is under way, in one otherwise. */
async function advance(totalMs) {
  await drain();
  for (let leftMs = totalMs; leftMs > 0; ) {
    const stepMs = open || service.pending ? STEP_MS : leftMs;
    mock.timers.tick(stepMs);
    leftMs -= stepMs;
    if (stepMs < totalMs) await drain();
  }
}

/** Until nothing more happens by itself: sockets within the process take some turns. */
async function drain() {
  await turn();
  for (let turns = 0; open && turns < 20; turns++) await turn();
}

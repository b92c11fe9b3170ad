// Needs --expose-gc. What each of 100,000 calls costs that wait for one token: bytes while it waits, and
// microseconds of processor time from its start to its answer. The API's answer is a stub, so nothing else is
// measured.
import { setImmediate as turn } from 'node:timers/promises';
import { childArguments, print, round, usedHeap } from './children.mjs';
import { connectRow } from './rows.mjs';
import { createService } from './service.mjs';
import { memoryWorld } from './worlds.mjs';

const CALLS = 100_000;
const [file] = childArguments();

await heldWhileWaiting(CALLS / 10); // for the compiler
print({ bytes: Math.round(await heldWhileWaiting(CALLS)), cpuUs: round(await timeOf(CALLS), 1) });
process.exit();

/** Bytes a call. */
async function heldWhileWaiting(count) {
  const { row, letGo } = await connect();
  const before = await usedHeap();
  const calls = Array.from({ length: count }, () => row.call());
  const bytes = (await usedHeap()) - before;
  letGo();
  await Promise.all(calls);
  return bytes / count;
}

/** Microseconds a call. */
async function timeOf(count) {
  const { row, letGo } = await connect();
  const started = process.cpuUsage();
  const calls = Array.from({ length: count }, () => row.call());
  await turn();
  letGo();
  await Promise.all(calls);
  const { user, system } = process.cpuUsage(started);
  return (user + system) / count;
}

/** A client whose token comes when it is let go. */
async function connect() {
  let letGo;
  const isLetGo = new Promise((resolve) => (letGo = resolve));
  const world = await memoryWorld(createService());
  const answer = new Response('{}');
  const fetch = async (input, init) => {
    if (input === world.apiUrl) return answer;
    await isLetGo;
    return world.fetch(input, init);
  };
  return { row: await connectRow(file, { ...world, fetch }), letGo };
}

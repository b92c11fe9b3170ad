// A large download goes to a file piece by piece. `timeout` would cover the whole body, so this client has
// none. Instead, the call has a limit on the silence between two pieces.
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { configFromEnvironment, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient({ ...configFromEnvironment(), timeout: 0 });

const stalled = new AbortController();
const alarm = setTimeout(() => stalled.abort(new Error('Nothing came for 30 s')), 30_000);

const response = await authorizedFetch('https://5gedge.verizon.com/api/report', { signal: stalled.signal });
if (!response.ok || !response.body) throw new Error(`The API answered ${response.status}`);
const pieces = response.body.pipeThrough(
  new TransformStream({
    transform(piece, controller) {
      alarm.refresh();
      controller.enqueue(piece);
    },
  }),
);
await pipeline(pieces, createWriteStream('report.csv'));
clearTimeout(alarm);
console.log('saved');

// A fresh process: from its start to the body of its first answer, a token request included.
import { childArguments, print, readBody } from './children.mjs';
import { connectRow } from './rows.mjs';
import { loopbackWorld } from './worlds.mjs';

const [file, origin] = childArguments();
const row = await connectRow(file, loopbackWorld(origin));
await readBody(await row.call());
const { user, system } = process.cpuUsage();
print({ wallMs: performance.now(), cpuMs: (user + system) / 1000 });
process.exit();

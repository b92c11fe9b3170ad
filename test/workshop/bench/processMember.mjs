// One process of a fleet: connects, says so, and makes one call when it is told to.
import { once } from 'node:events';
import { childArguments, print } from './children.mjs';
import { connectRow, sharedBy } from './rows.mjs';
import { loopbackWorld } from './worlds.mjs';

const [row, origin, folder] = childArguments();
const { call } = await connectRow(row.file, { ...loopbackWorld(origin), ...(await sharedBy(row, folder)) });
print({ isReady: true });
await once(process.stdin, 'data');
const { status } = await call();
print({ status });
process.exit();

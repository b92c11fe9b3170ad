// The suite in a window or a worker, whose address says where the results go.
import { runSuite } from './suite.mjs';

const { origin, searchParams } = new URL(location.href);
const [other, run] = ['other', 'run'].map((name) => searchParams.get(name));
const version = /(?:Chrome|Firefox|Version)\/(\d+\.\d+)/.exec(navigator.userAgent)[1];
const results = await runSuite({ origin, other, run, isBrowser: true });
await fetch(`/results/${run}`, { method: 'POST', body: JSON.stringify({ version, results }) });

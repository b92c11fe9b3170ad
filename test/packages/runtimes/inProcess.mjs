// The suite in Node, Deno and Bun.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileStore } from 'thingspace-auth/stores/file';
import { runSuite } from './suite.mjs';

const { Deno } = globalThis;
const openFileStore = async () => fileStore(await mkdtemp(join(tmpdir(), 'thingspace-auth-')));
const namespace = await Deno?.openKv(':memory:');
const results = await runSuite({ ...JSON.parse(process.argv[2]), openFileStore, namespace });
namespace?.close();
console.log(
  JSON.stringify({ version: Deno?.version.deno ?? process.versions.bun ?? process.versions.node, results }),
);

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { after, test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';
import { recordEvents, startServer } from './server.ts';

const { testStore } = await import(join(import.meta.dirname, '../../test/storeContract.mjs'));

const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
after(() => rmSync(folder, { recursive: true }));
testStore(test, { name: 'fileStore', open: () => fileStore(join(folder, 'tokens.json')) });

test('keeps the file to its owner, in a folder of its owner, and leaves nothing else', async (t) => {
  const path = join(newFolder(t), 'new/deeper/tokens.json');
  const store = fileStore(path);

  await store.set('key', 'value', 60);
  await (await store.lock!('key', 60))!();

  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(join(path, '..')), ['tokens.json']);
});

test('takes a file that others could read away from them with the first write', async (t) => {
  const path = join(newFolder(t), 'tokens.json');
  writeFileSync(path, '{}');
  chmodSync(path, 0o644);

  await fileStore(path).set('key', 'value', 60);

  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('drops what is over from the file', async (t) => {
  const path = join(newFolder(t), 'tokens.json');
  const store = fileStore(path);
  await store.set('short', 'invented-old-token', 1);
  const { now } = Date;
  t.after(() => void (Date.now = now));
  Date.now = () => now() + 1_000;

  await store.set('long', 'value', 60);

  assert.ok(!readFileSync(path, 'utf8').includes('invented-old-token'));
});

test('a file that is junk is a failure, then replaced', async (t) => {
  for (const junk of ['', '{"a":', 'null', '[1]', '{"key":5}', '\u0000\u0000\u0000']) {
    const server = await startServer(t);
    const path = join(newFolder(t), 'tokens.json');
    writeFileSync(path, junk);
    const { events, onEvent } = recordEvents();
    const create = () => createClient(server.config({ onEvent }, { oauthTokenProvider: storedToken(fileStore(path)) }));

    await create().getToken();
    await create().getToken();

    assert.equal(server.tokenRequests.length, 1, junk);
    const isJson = ['null', '[1]', '{"key":5}'].includes(junk);
    assert.equal(events.filter(({ type }) => type === 'store_failed').length, isJson ? 0 : 2, junk);
  }
});

test('a folder that cannot be written costs an event, no call', async (t) => {
  const server = await startServer(t);
  const path = join(newFolder(t), 'file');
  writeFileSync(path, '');
  const { events, onEvent } = recordEvents();
  const oauthTokenProvider = storedToken(fileStore(join(path, 'tokens.json')));

  await createClient(server.config({ onEvent }, { oauthTokenProvider })).getToken();

  assert.deepEqual(events.flatMap((event) => (event.type === 'store_failed' ? [event.operation] : [])), ['get', 'lock', 'get', 'set']);
});

test('frees the lock of a killed process when its time is over', async (t) => {
  const path = join(newFolder(t), 'tokens.json');
  const holder = await startProcess(t, `
    const store = fileStore(${JSON.stringify(path)});
    if (!(await store.lock('key', 2))) process.exit(1);
    console.log('locked');
    setInterval(() => {}, 1000);
  `);
  const store = fileStore(path);
  assert.equal(await store.lock!('key', 2), undefined);

  holder.kill('SIGKILL');
  await once(holder, 'exit');
  assert.equal(await store.lock!('key', 2), undefined);
  const { now } = Date;
  t.after(() => void (Date.now = now));
  Date.now = () => now() + 2_000;

  const taken = await Promise.all(Array.from({ length: 8 }, () => fileStore(path).lock!('key', 2)));
  assert.equal(taken.filter(Boolean).length, 1);
});

test('is not held up by a lock file that is junk', async (t) => {
  const path = join(newFolder(t), 'tokens.json');
  const store = fileStore(path);
  const release = await store.lock!('key', 60);
  const [name] = readdirSync(join(path, '..'));
  await release!();
  writeFileSync(join(path, '..', name!), '');

  assert.equal(typeof (await store.lock!('key', 60)), 'function');
});

test('shows a reader the old file or the new one, whenever a writer is killed', async (t) => {
  const path = join(newFolder(t), 'tokens.json');
  const long = 'x'.repeat(1_000_000);
  await fileStore(path).set('key', `0${long}`, 60);
  for (let round = 0; round < 5; round++) {
    const writer = await startProcess(t, `
      const store = fileStore(${JSON.stringify(path)});
      console.log('started');
      for (let n = 0; ; n++) await store.set('key', n + 'x'.repeat(1_000_000), 60);
    `);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
    writer.kill('SIGKILL');
    await once(writer, 'exit');

    assert.match((await fileStore(path).get('key')) ?? '', /^\d+x{1000000}$/);
  }
});

function newFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** Starts a process on the built package, and waits for its first output. */
async function startProcess(t: TestContext, code: string) {
  const script = `import { fileStore } from 'thingspace-auth/stores/file'; ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
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
    if (!(await store.lock('key', 60))) process.exit(1);
    console.log('locked');
    setInterval(() => {}, 1000);
  `);
  const store = fileStore(path);
  assert.equal(await store.lock!('key', 60), undefined);

  holder.kill('SIGKILL');
  await once(holder, 'exit');
  assert.equal(await store.lock!('key', 60), undefined);
  const { now } = Date;
  t.after(() => void (Date.now = now));
  Date.now = () => now() + 60_000;

  const taken = await Promise.all(Array.from({ length: 8 }, () => fileStore(path).lock!('key', 60)));
  assert.equal(taken.filter(Boolean).length, 1);
});

test('is not held up by a lock whose writer was killed half-way, or by junk', async (t) => {
  for (const half of ['', '17', '9'.repeat(400), 'junk']) {
    const { folder, store, lockPath } = await createLockable(t);
    writeFileSync(lockPath, half);

    const isTaken = typeof (await store.lock!('key', 60)) === 'function';

    assert.equal(isTaken, half.length < 400, half);
    assert.equal(readdirSync(folder).length, 1);
  }
});

test('leaves a lock to whoever was faster between two steps', async (t) => {
  // Half a copy is no lock: only what cannot be linked is copied.
  failWith(t, 'copyFileSync', 'ENOSPC');
  const other = `${Date.now() + 60_000} another`;
  const races: { held?: string; meanwhile: (lockPath: string) => void; left: string[] }[] = [
    // Nothing there when it looked; another's when it put its own in place.
    { meanwhile: (lockPath) => writeFileSync(lockPath, other), left: [other] },
    // An ended one there when it looked: gone, or already another's, when it removed it.
    { held: '1 ended', meanwhile: (lockPath) => rmSync(lockPath), left: [] },
    { held: '1 ended', meanwhile: (lockPath) => writeFileSync(lockPath, other), left: [other] },
  ];
  for (const { held, meanwhile, left } of races) {
    const { folder, store, lockPath } = await createLockable(t);
    if (held) writeFileSync(lockPath, held);

    const release = await withClock(() => meanwhile(lockPath), () => store.lock!('key', 60));

    assert.equal(release, undefined);
    assert.deepEqual(readdirSync(folder).map((name) => join(folder, name)), left.map(() => lockPath));
    assert.deepEqual(left.map(() => readFileSync(lockPath, 'utf8')), left);
  }
});

test('leaves a lock in its place all the time while others find that there was an ended one', async (t) => {
  const { store, lockPath } = await createLockable(t);
  writeFileSync(lockPath, '1 ended');
  const { renameSync } = fs;
  const isInPlace: boolean[] = [];
  mockFunction(t, 'renameSync', (from: string, to: string) => {
    renameSync(from, to);
    isInPlace.push(existsSync(lockPath));
  });

  const release = await withClock(() => writeFileSync(lockPath, `${Date.now() + 60_000} another`), () => store.lock!('key', 60));

  assert.equal(release, undefined);
  assert.deepEqual(isInPlace, [true]);
});

test('removes an ended lock alone, and takes that right from one who was killed with it', async (t) => {
  const { folder, store, lockPath } = await createLockable(t);
  writeFileSync(lockPath, '1 ended');
  writeFileSync(`${lockPath}.remove`, `${Date.now() + 60_000} another`);
  assert.equal(await store.lock!('key', 60), undefined);
  assert.equal(readFileSync(lockPath, 'utf8'), '1 ended');

  writeFileSync(`${lockPath}.remove`, '1 killed');
  const release = await store.lock!('key', 60);

  assert.equal(typeof release, 'function');
  assert.deepEqual(readdirSync(folder).map((name) => join(folder, name)), [lockPath]);
});

test('leaves that right, too, to whoever was faster between two steps', async (t) => {
  const other = `${Date.now() + 60_000} another`;
  const races: { meanwhile: (path: string) => void; left: string | undefined }[] = [
    { meanwhile: (path) => rmSync(path), left: undefined },
    { meanwhile: (path) => writeFileSync(path, other), left: other },
  ];
  for (const { meanwhile, left } of races) {
    const { store, lockPath } = await createLockable(t);
    writeFileSync(lockPath, '1 ended');
    const rightPath = `${lockPath}.remove`;
    writeFileSync(rightPath, '1 killed');

    const release = await withClock(() => meanwhile(rightPath), () => store.lock!('key', 60), 2);

    assert.equal(release, undefined);
    assert.equal(readFileSync(lockPath, 'utf8'), '1 ended');
    assert.equal(existsSync(rightPath) ? readFileSync(rightPath, 'utf8') : undefined, left);
  }
});

test('gives its lock back as soon as another has looked at it', async (t) => {
  const { folder, store, lockPath } = await createLockable(t);
  const release = await store.lock!('key', 60);
  writeFileSync(`${lockPath}.remove`, `${Date.now() + 20} another`);

  await release!();

  assert.deepEqual(readdirSync(folder), []);
});

test('does not wait for ever for another to look at its lock', async (t) => {
  const { store, lockPath } = await createLockable(t);
  const release = await store.lock!('key', 60);
  writeFileSync(`${lockPath}.remove`, '9'.repeat(400));

  await release!();

  assert.equal(await store.lock!('key', 60), undefined);
});

test('locks where the file system knows no hard links, one of two, and loses races there too', async (t) => {
  const { folder, store, lockPath } = await createLockable(t);
  failWith(t, 'linkSync', 'EPERM');

  const release = await store.lock!('key', 60);
  assert.equal(typeof release, 'function');
  assert.equal(await store.lock!('key', 60), undefined);
  await release!();
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(await withClock(() => writeFileSync(lockPath, 'another'), () => store.lock!('key', 60)), undefined);
  assert.deepEqual(readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')), ['another']);
});

test('rejects when a lock cannot be put in place, and leaves nothing', async (t) => {
  const { folder, store } = await createLockable(t);
  failWith(t, 'linkSync', 'EPERM');
  failWith(t, 'copyFileSync', 'ENOSPC');

  await assert.rejects(store.lock!('key', 60), { code: 'ENOSPC' });

  assert.deepEqual(readdirSync(folder), []);
});

test('rejects where a folder stands in the place of a lock', async (t) => {
  const { folder, store, lockPath } = await createLockable(t);
  mkdirSync(lockPath);
  mkdirSync(join(folder, 'tokens.json.lock'));

  await assert.rejects(store.lock!('key', 60), { code: 'EISDIR' });
  await assert.rejects(async () => store.set('key', 'value', 60), { code: 'EISDIR' });
});

test('rejects when an ended lock cannot be moved away', async (t) => {
  const { folder, store, lockPath } = await createLockable(t);
  writeFileSync(lockPath, '1 ended');
  const becomeFile = (): void => {
    rmSync(folder, { recursive: true });
    writeFileSync(folder, '');
  };

  writeFileSync(`${lockPath}.remove`, '1 killed');

  await assert.rejects(withClock(becomeFile, () => store.lock!('key', 60), 2), { code: 'ENOTDIR' });
});

test('rejects where a folder stands in the place of the file, and leaves nothing beside it', async (t) => {
  const { folder, store } = await createLockable(t);
  mkdirSync(join(folder, 'tokens.json'));

  await assert.rejects(async () => store.get('key'), { code: 'EISDIR' });
  await assert.rejects(async () => store.set('key', 'value', 60), { code: 'EISDIR' });
  await assert.rejects(async () => store.delete('key'), { code: 'EISDIR' });

  assert.deepEqual(readdirSync(folder), ['tokens.json']);
});

test('rejects for a file that cannot be read, and does not replace it', async (t) => {
  const { folder, store } = await createLockable(t);
  // Permissions do not stop root; this stops everybody.
  symlinkSync('tokens.json', join(folder, 'tokens.json'));

  await assert.rejects(async () => store.set('key', 'value', 60), { code: 'ELOOP' });

  assert.ok(lstatSync(join(folder, 'tokens.json')).isSymbolicLink());
});

test('keeps the old file when the new one does not fit on the disk, and leaves nothing beside it', async (t) => {
  const path = join(newFolder(t), 'tokens.json');
  await fileStore(path).set('key', 'value', 60);
  const writer = await startProcess(t, `
    const error = await fileStore(${JSON.stringify(path)}).set('key', 'x'.repeat(20_000_000), 60).catch((error) => error);
    console.log(error?.code);
  `, 'ulimit -f 20000;');

  assert.equal(writer.output, 'EFBIG\n');
  assert.equal(await fileStore(path).get('key'), 'value');
  assert.deepEqual(readdirSync(join(path, '..')), ['tokens.json']);
});

test('says that the folder is gone when it vanishes before the write', async (t) => {
  const { folder, store } = await createLockable(t);
  await store.set('key', 'value', 60);
  const { now } = Date;
  t.after(() => void (Date.now = now));
  // With the lock in place, the next look at the clock is the new value's: the file has been read, and is not yet written.
  Date.now = () => {
    if (readdirSync(folder).includes('tokens.json.lock')) {
      Date.now = now;
      rmSync(folder, { recursive: true });
    }
    return now();
  };

  await assert.rejects(async () => store.set('key', 'other', 60), { code: 'ENOENT', syscall: 'open' });
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
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A store in an empty folder, and where its lock of `'key'` lies. */
async function createLockable(t: TestContext) {
  const folder = newFolder(t);
  const store = fileStore(join(folder, 'tokens.json'));
  const release = await store.lock!('key', 60);
  const lockPath = join(folder, readdirSync(folder)[0]!);
  await release!();
  return { folder, store, lockPath };
}

/**
 * Runs `act`; `meanwhile` happens when it first looks at the clock, or at a later look: after it looked at a lock, before
 * it acts on it.
 */
async function withClock<T>(meanwhile: () => void, act: () => Promise<T>, look = 1): Promise<T> {
  const { now } = Date;
  let looks = 0;
  Date.now = () => {
    if (++looks === look) {
      Date.now = now;
      meanwhile();
    }
    return now();
  };
  try {
    return await act();
  } finally {
    Date.now = now;
  }
}

/** Lets a function of the file system fail. */
function failWith(t: TestContext, name: 'linkSync' | 'copyFileSync', code: string): void {
  mockFunction(t, name, () => {
    throw Object.assign(new Error(code), { code });
  });
}

/** Replaces a function of the file system, for the built package too. */
function mockFunction(t: TestContext, name: 'linkSync' | 'copyFileSync' | 'renameSync', replacement: (from: string, to: string) => void): void {
  const mocked = t.mock.method(fs, name, replacement);
  syncBuiltinESMExports();
  t.after(() => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  });
}

/** Starts a process on the built package, from a shell that is set up so, and waits for its first output. */
async function startProcess(t: TestContext, code: string, setUp = '') {
  const script = `import { fileStore } from 'thingspace-auth/stores/file'; ${code}`;
  const command = ['-c', `${setUp} exec "$@"`, 'sh', process.execPath, '--input-type=module', '-e', script];
  const child = spawn('sh', command, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [output] = await once(child.stdout, 'data');
  return Object.assign(child, { output: String(output) });
}

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import fs, {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, type TestContext, test } from 'node:test';
import { createClient } from 'thingspace-auth';
import { storedToken } from 'thingspace-auth/stores';
import { fileStore } from 'thingspace-auth/stores/file';
import { hold, passTime, recordEvents, rejectionOf, startServer, turn, turns } from '../support/server.ts';

const { testStore } = await import(join(import.meta.dirname, '../../../test/support/storeContract.mjs'));

const folder = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
after(() => rmSync(folder, { recursive: true }));
testStore(test, { name: 'fileStore', open: () => fileStore(folder), wait: passTime });

test('keeps files to their owner, in a folder of its owner, and names that show nothing of the keys', async (t) => {
  const path = join(newFolder(t), 'new/deeper');
  const store = fileStore(path);

  await store.set('invented-key', 'value', 60);
  await store.set('invented-key', 'other', 60);
  await store.compareAndSet!('invented-key', 'other', 'next', 60);

  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.deepEqual(
    readdirSync(path)
      .map((name) => name.replace(/^[0-9a-f]{64}/, ''))
      .sort(),
    ['.0', '.3'],
  );
  assert.deepEqual(
    readdirSync(path).map((name) => statSync(join(path, name)).mode & 0o777),
    [0o600, 0o600],
  );
});

test('takes any text as a key, each to a file of its own', async (t) => {
  const path = newFolder(t);
  const store = fileStore(path);
  const keys = [
    '__proto__',
    'constructor',
    'a',
    'A',
    '/etc/passwd',
    '../../..',
    '',
    '.',
    'a\u0000b',
    'long'.repeat(2_500),
    'ü',
    'u\u0308',
    '\ud800',
    '\udfff',
  ];

  for (const key of keys) await store.set(key, `value of ${key}`, undefined);

  for (const key of keys) assert.equal(await store.get(key), `value of ${key}`);
  // None differ by case only.
  assert.equal(new Set(readdirSync(path).map((name) => name.toLowerCase())).size, keys.length);
});

test('is a TypeError at once for what is no path', () => {
  for (const junk of [undefined, null, '', 5, {}, new URL('file:///tmp')]) {
    assert.throws(() => fileStore(junk as string), {
      name: 'TypeError',
      message: 'fileStore(folder) must be the path of a folder',
    });
  }
});

test('takes a file that others could read away from them with the first write', async (t) => {
  const { path, store, fileOf } = await createStore(t);
  chmodSync(fileOf(1), 0o644);

  await store.set('key', 'value', 60);

  assert.deepEqual(
    readdirSync(path).map((name) => statSync(join(path, name)).mode & 0o777),
    [0o600, 0o600],
  );
});

test('refuses a folder that others may write to, or of another user, and takes one of root', async (t) => {
  const { path, store } = await createStore(t);
  const refused = async (message: RegExp) => {
    for (const operate of [
      () => store.get('key'),
      () => store.set('key', 'other', 60),
      () => store.delete('key'),
      () => store.compareAndSet!('key', 'value', 'other', 60),
    ])
      await assert.rejects(async () => operate(), { code: 'unsafe_folder', message });
  };
  chmodSync(path, 0o777);
  await refused(/^others may write to .*: give fileStore a folder of this user's own/);
  await fileStore(join(path, 'inside')).set('key', 'value', 60);
  chmodSync(path, 0o770);
  assert.equal(await store.get('key'), 'value');

  const { stat } = fs.promises;
  let owner = process.geteuid!() + 1;
  const restore = mockStep('stat', async (name) => Object.assign(await stat(name), { uid: owner }));
  try {
    await refused(new RegExp(`belongs to user ${owner}: `));
    owner = 0;
    assert.equal(await store.get('key'), 'value');
  } finally {
    restore();
  }
});

test('a pipe in the place of a value is none, for five clients at once, and the next write replaces it', async (t) => {
  const server = await startServer(t);
  const { path, store, fileOf } = await createStore(t);
  const { events, onEvent } = recordEvents();
  const create = () => createClient(server.config({ onEvent }, { oauthTokenProvider: storedToken(store) }));
  await create().getToken();
  for (const name of readdirSync(path)) makePipe(join(path, name));

  // Each reader that waits for a writer keeps one of Node's four threads; this look-up needs one.
  const tokens = await Promise.all(Array.from({ length: 5 }, () => create().getToken()));
  await lookup('localhost');

  assert.equal(new Set(tokens.map(({ accessToken }) => accessToken)).size, 1);
  assert.deepEqual(
    events.filter(({ type }) => type === 'store_failed'),
    [],
  );
  assert.equal(await store.compareAndSet!('key', undefined, 'other', 60), true);
  assert.ok(lstatSync(fileOf(2)).isFile());
});

test('a pipe in the place of a value that was a file a moment ago keeps nobody waiting', async (t) => {
  const { store, fileOf } = await createStore(t);
  const { readFile } = fs.promises;
  const restore = mockStep('readFile', async (name, ...more) => {
    makePipe(String(name));
    return readFile(name, ...more);
  });
  try {
    assert.equal(await store.get('key'), undefined);
    assert.ok(lstatSync(fileOf(1)).isFIFO());
  } finally {
    restore();
  }
});

test('holds one thread on a disk that stalls, however much is asked, and answers all when it goes on', async (t) => {
  const { store } = await createStore(t);
  const { stat } = fs.promises;
  const stalled = hold();
  let asked = 0;
  const restore = mockStep('stat', async (name) => {
    asked++;
    await stalled.promise;
    return stat(name);
  });

  const reads = Promise.all(Array.from({ length: 6 }, () => store.get('key')));
  await turns();
  const askedAtFirst = asked;
  stalled.open();
  restore();

  assert.equal(askedAtFirst, 1);
  assert.deepEqual(new Set(await reads), new Set(['value']));
});

test('says at once that a folder cannot be made in one that takes none', {
  skip: !fs.existsSync('/proc/self'),
}, async () => {
  for (const path of ['/proc/thingspace', '/proc/thingspace/deeper'])
    await assert.rejects(async () => fileStore(path).set('key', 'value', 60), { code: 'ENOENT' });
});

test('keeps nothing of a value that was deleted or replaced', async (t) => {
  const { path, store } = await createStore(t);
  const kept = () =>
    readdirSync(path)
      .map((name) => readFileSync(join(path, name), 'utf8'))
      .join();

  await store.set('key', 'invented-secret', 60);
  assert.match(kept(), /invented-secret/);
  await store.set('key', 'other', 60);
  assert.doesNotMatch(kept(), /invented-secret/);
  await store.delete('key');
  assert.equal(kept().replace(',', ''), '');
  const names = readdirSync(path);
  await store.delete('key');
  await store.delete('a key that never was');
  assert.deepEqual(readdirSync(path), names);
  await store.set('key', 'invented-secret', 60);
  assert.equal(await store.compareAndSet!('key', 'invented-secret', undefined, 60), true);
  assert.equal(kept().replace(',', ''), '');
});

const JUNK = ['', '{"a":', 'null', '[1]', '{"key":5}', '\u0000\u0000\u0000'];

test('a file that is broken holds nothing, and the next write replaces it', async (t) => {
  for (const junk of JUNK) {
    const { store, fileOf } = await createStore(t);
    writeFileSync(fileOf(1), junk);

    assert.equal(await store.get('key'), undefined);
    assert.equal(await store.compareAndSet!('key', 'value', 'other', 60), false);
    assert.equal(await store.compareAndSet!('key', undefined, 'other', 60), true);
    assert.equal(await store.get('key'), 'other');
  }
});

test('a client replaces the token of a file that is broken', async (t) => {
  for (const junk of JUNK) {
    const server = await startServer(t);
    const path = newFolder(t);
    const create = () =>
      createClient(server.config({}, { oauthTokenProvider: storedToken(fileStore(path)) }));
    await create().getToken();
    for (const name of readdirSync(path))
      if (statSync(join(path, name)).size > 100) writeFileSync(join(path, name), junk);

    await create().getToken();
    await create().getToken();

    assert.equal(server.tokenRequests.length, 2, junk);
  }
});

test('a value of another user that this process may not read is replaced by set, and named elsewhere', async (t) => {
  const { store, fileOf } = await createStore(t);
  // Permissions do not stop root, who may run these tests.
  const { readFile } = fs.promises;
  const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
  const restore = mockStep('readFile', async (name, ...more) => {
    if (name === fileOf(1)) throw denied;
    return readFile(name, ...more);
  });
  try {
    const operations = [
      () => store.get('key'),
      () => store.delete('key'),
      () => store.compareAndSet!('key', 'value', 'other', 60),
    ];
    for (const operate of operations) {
      denied.message = 'EACCES: permission denied';
      const error = await rejectionOf(Promise.resolve(operate()));
      assert.equal(error.code, 'EACCES');
      assert.match(error.message, new RegExp(`of user ${statSync(fileOf(1)).uid}: change its owner`));
    }
    await store.set('key', 'other', 60);
    assert.equal(await store.get('key'), 'other');
  } finally {
    restore();
  }
});

test('makes no version that it could not find again', async (t) => {
  const { path, store, fileOf } = await createStore(t);
  const last = 999_999_999_999_999;
  renameSync(fileOf(1), fileOf(last));

  assert.equal(await store.get('key'), 'value');
  for (const write of [
    () => store.set('key', 'other', 60),
    () => store.delete('key'),
    () => store.compareAndSet!('key', 'value', 'other', 60),
  ]) {
    await assert.rejects(async () => write(), {
      name: 'RangeError',
      message: /^remove [0-9a-f]{64}\.9{15}$/,
    });
  }
  assert.deepEqual(readdirSync(path).length, 1);
});

test('deletes on a full disk, which takes an empty file and nothing more', async (t) => {
  const { store } = await createStore(t);
  const { open } = fs.promises;
  const restore = mockStep('open', async (name, ...more) => {
    const file = await open(name, ...more);
    const { writeFile } = file;
    file.writeFile = async (text) => {
      if (text) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      return writeFile.call(file, text);
    };
    return file;
  });
  try {
    await assert.rejects(async () => store.set('key', 'other', 60), { code: 'ENOSPC' });
    assert.equal(await store.compareAndSet!('key', 'value', undefined, 60), true);
    assert.equal(await store.get('key'), undefined);
  } finally {
    restore();
  }
  await store.set('key', 'other', 60);
  const full = mockStep('open', async (name, ...more) => open(name, ...more));
  await store.delete('key');
  full();
  assert.equal(await store.get('key'), undefined);
});

test('a folder that cannot be written costs events, no call', async (t) => {
  const server = await startServer(t);
  const path = join(newFolder(t), 'file');
  writeFileSync(path, '');
  const { events, onEvent } = recordEvents();
  const oauthTokenProvider = storedToken(fileStore(path));

  await createClient(server.config({ onEvent }, { oauthTokenProvider })).getToken();

  const failures = events.flatMap((event) =>
    event.type === 'store_failed' ? [[event.operation, event.reason]] : [],
  );
  assert.deepEqual(failures, [
    ['get', 'ENOTDIR'],
    ['get', 'ENOTDIR'],
    ['set', 'ENOTDIR'],
  ]);
});

test('follows a symbolic link to its folder, and reads through one in the place of a file, but never writes through it', async (t) => {
  const { path, store, fileOf } = await createStore(t);
  const [linked, outside] = [join(newFolder(t), 'link'), join(newFolder(t), 'outside')];
  symlinkSync(path, linked);
  assert.equal(await fileStore(linked).get('key'), 'value');

  writeFileSync(outside, '{"value":"outside"}');
  rmSync(fileOf(1));
  symlinkSync(outside, fileOf(1));
  assert.equal(await store.get('key'), 'outside');
  await store.set('key', 'other', 60);

  assert.equal(await store.get('key'), 'other');
  assert.equal(readFileSync(outside, 'utf8'), '{"value":"outside"}');
  assert.ok(lstatSync(fileOf(2)).isFile());
});

test('rejects for a file that cannot be read, and does not replace it', async (t) => {
  // Permissions do not stop root; these stop everybody.
  const ways: [code: string, make: (path: string) => void][] = [
    ['ELOOP', (path) => symlinkSync(path, path)],
    ['ENOENT', (path) => symlinkSync(`${path}.nowhere`, path)],
    ['EISDIR', (path) => mkdirSync(path)],
  ];
  for (const [code, make] of ways) {
    const { path, store, fileOf } = await createStore(t);
    make(fileOf(2));

    await assert.rejects(async () => store.get('key'), { code });
    await assert.rejects(async () => store.set('key', 'other', 60), { code });
    await assert.rejects(async () => store.delete('key'), { code });
    await assert.rejects(async () => store.compareAndSet!('key', 'value', 'other', 60), { code });

    assert.equal(readdirSync(path).length, 2);
  }
});

test('says that it needs hard links where there are none, whatever the system says, and leaves nothing', async (t) => {
  for (const code of ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EACCES', 'EISDIR', 'UNKNOWN']) {
    const path = newFolder(t);
    const server = await startServer(t);
    const { events, onEvent } = recordEvents();
    const restore = failWith('link', code);
    try {
      const error = await rejectionOf(Promise.resolve(fileStore(path).set('key', 'value', 60)));
      assert.match(error.message, /needs a file system with hard links/);
      assert.deepEqual([error.code, error.cause.code], ['no_hard_links', code]);
      const oauthTokenProvider = storedToken(fileStore(path));
      await createClient(server.config({ onEvent }, { oauthTokenProvider })).getToken();
    } finally {
      restore();
    }
    const reasons = events.flatMap((event) => (event.type === 'store_failed' ? [event.reason] : []));
    assert.deepEqual(new Set(reasons), new Set(['no_hard_links']));
    assert.deepEqual(readdirSync(path), []);
  }
});

test('does not blame hard links where one link alone fails, or the disk is full', async (t) => {
  for (const [code, times] of [
    ['EACCES', 1],
    ['ENOSPC', Infinity],
    ['EDQUOT', Infinity],
  ] as const) {
    const { path, store } = await createStore(t);
    const { link } = fs.promises;
    let failures = 0;
    const restore = mockStep('link', async (from, to) => {
      if (failures++ < times) throw Object.assign(new Error(code), { code });
      return link(from, to);
    });
    try {
      await assert.rejects(async () => store.set('key', 'other', 60), { code, message: code });
    } finally {
      restore();
    }
    assert.equal(readdirSync(path).length, 1, code);
  }
});

test('hands on what the file system says of each step, and leaves nothing aside', async (t) => {
  for (const step of ['mkdir', 'open', 'readdir', 'readFile', 'rename', 'link'] as const) {
    const { path, store } = await createStore(t);
    const restore = failWith(step, 'EIO');
    // Each link that is tried fails, so there seem to be none.
    const code = step === 'link' ? 'no_hard_links' : 'EIO';
    try {
      await assert.rejects(async () => store.set('key', 'other', 60), { code }, step);
    } finally {
      restore();
    }
    assert.equal(await store.get('key'), 'value');
    assert.equal(readdirSync(path).length, 1, step);
  }
});

test('has written although what it replaces cannot be removed, and removes it with the next write', async (t) => {
  const { path, store, fileOf } = await createStore(t);
  const { unlink } = fs.promises;
  const restore = mockStep('unlink', async (name) => {
    if (name === fileOf(1)) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    return unlink(name);
  });

  assert.equal(await store.compareAndSet!('key', 'value', 'other', 60), true);
  assert.equal(readdirSync(path).length, 3);
  restore();
  await store.set('key', 'next', 60);

  assert.deepEqual(
    readdirSync(path)
      .map((name) => join(path, name))
      .sort(),
    [fileOf(0), fileOf(3)],
  );
});

test('has lost although its file aside cannot be removed', async (t) => {
  const { path, store } = await createStore(t);
  const { link } = fs.promises;
  const restoreLink = mockStep('link', async (from, to) => {
    restoreLink();
    await fileStore(path).set('key', 'of another', 60);
    return link(from, to);
  });
  const restore = failWith('unlink', 'EBUSY');
  try {
    assert.equal(await store.compareAndSet!('key', 'value', 'other', 60), false);
  } finally {
    restore();
  }

  assert.equal(await store.get('key'), 'of another');
});

test('keeps the old file when the new one does not fit on the disk, and leaves nothing beside it', async (t) => {
  const { path, store } = await createStore(t);
  const writer = startProcess(
    t,
    `
    const store = fileStore(${JSON.stringify(path)});
    const error = await store.set('key', 'x'.repeat(20_000_000), 60).catch((error) => error);
    console.log(error?.code);
  `,
    'ulimit -f 20000;',
  );

  assert.equal(await writer.line(), 'EFBIG');
  assert.equal(await store.get('key'), 'value');
  assert.equal(readdirSync(path).length, 1);
});

test('has removed what it could not write before it says so', async (t) => {
  const { path, store } = await createStore(t);
  const {
    fsync,
    promises: { unlink },
  } = fs;
  fs.fsync = ((_fd: number, callback: (error: Error) => void) =>
    callback(Object.assign(new Error('full'), { code: 'ENOSPC' }))) as typeof fs.fsync;
  const slow = hold();
  let isRemoving = false;
  const restore = mockStep('unlink', async (name) => {
    isRemoving = true;
    await slow.promise;
    return unlink(name);
  });
  let isSettled = false;
  const failed = rejectionOf(Promise.resolve(store.set('key', 'other', 60))).finally(
    () => (isSettled = true),
  );
  try {
    while (!isRemoving) await turn();
    await turns();

    assert.equal(isSettled, false);
  } finally {
    fs.fsync = fsync;
    restore();
    slow.open();
  }
  assert.equal((await failed).code, 'ENOSPC');
  assert.equal(readdirSync(path).length, 1);
});

test('removes a version only once its mark is there and what is aside for a lower one is gone', async (t) => {
  for (const step of ['writeFile', 'unlink'] as const) {
    const { path, store, fileOf } = await createStore(t);
    const aside = `${fileOf(0)}.${crypto.randomUUID()}`;
    writeFileSync(aside, 'of a writer that is slow');
    const { [step]: act } = fs.promises as unknown as Record<string, (...args: any[]) => Promise<unknown>>;
    const slow = hold();
    let isAt = false;
    const restore = mockStep(step, async (name, ...more) => {
      if (name === (step === 'unlink' ? aside : fileOf(0))) {
        isAt = true;
        await slow.promise;
      }
      return act!(name, ...more);
    });
    const written = store.set('key', 'other', 60);
    try {
      while (!isAt) await turn();
      // Meanwhile another key is written twice: there was time.
      for (const value of ['one', 'next']) await fileStore(path).set('another key', value, 60);

      assert.ok(fs.existsSync(fileOf(1)), step);
    } finally {
      slow.open();
      await written;
      restore();
    }
    assert.deepEqual(
      [0, 1, 2].map((version) => fs.existsSync(fileOf(version))),
      [true, false, true],
    );
    assert.ok(!fs.existsSync(aside));
  }
});

test('leaves no file open', { skip: !fs.existsSync('/proc/self/fd') }, async (t) => {
  const { store } = await createStore(t);
  const restore = failWith('link', 'EACCES');
  await Promise.allSettled(Array.from({ length: 20 }, () => store.set('key', 'value', 60)));
  restore();
  const before = readdirSync('/proc/self/fd').length;

  for (let count = 0; count < 100; count++)
    await store.compareAndSet!('key', (await store.get('key')) ?? undefined, `value ${count}`, 60);

  assert.equal(await store.get('key'), 'value 99');
  assert.ok(
    readdirSync('/proc/self/fd').length <= before,
    `${readdirSync('/proc/self/fd').length} instead of ${before}`,
  );
});

test('removes what killed writers have left, of any key, after a minute', async (t) => {
  const { path, store, fileOf } = await createStore(t);
  const other = `${'0'.repeat(64)}.${crypto.randomUUID()}`;
  const left = [
    `${fileOf(1)}.${crypto.randomUUID()}`,
    `${fileOf(12)}.${crypto.randomUUID()}`,
    join(path, other),
  ];
  const foreign = ['foreign.file', `x${other}`, `${other}.bak`].map((name) => join(path, name));
  for (const each of [...left, ...foreign]) writeFileSync(each, 'half a');
  await store.set('key', 'other', 60);
  assert.equal(readdirSync(path).length, 8);

  for (const each of [...left, ...foreign]) utimesSync(each, Date.now() / 1000 - 61, Date.now() / 1000 - 61);
  await store.set('key', 'next', 60);

  assert.deepEqual(
    readdirSync(path)
      .map((name) => join(path, name))
      .sort(),
    [fileOf(0), fileOf(3), ...foreign].sort(),
  );
});

test('a writer whose disk is slow loses its compareAndSet, and its set comes after what came meanwhile', async (t) => {
  const { path, store } = await createStore(t);
  const { fsync } = fs;
  const held: (() => void)[] = [];
  fs.fsync = ((fd: number, callback: () => void) =>
    void held.push(() => fsync(fd, callback))) as typeof fs.fsync;
  syncBuiltinESMExports();
  // One store does one thing at a time.
  const slow = Promise.all([
    fileStore(path).compareAndSet!('key', 'value', 'slow', 60),
    fileStore(path).compareAndSet!('key', undefined, 'slow', 60),
    fileStore(path).compareAndSet!('new key', undefined, 'slow', 60),
    fileStore(path).set('third key', 'slow', 60),
  ]);
  while (held.length < 3) await new Promise(setImmediate);
  fs.fsync = fsync;
  syncBuiltinESMExports();

  const fast = fileStore(path);
  assert.equal(await fast.compareAndSet!('key', 'value', 'fast', 60), true);
  assert.equal(await fast.compareAndSet!('new key', undefined, 'fast', 60), true);
  await fast.set('third key', 'fast', 60);
  for (const go of held) go();

  assert.deepEqual((await slow).slice(0, 3), [false, false, false]);
  assert.deepEqual(await Promise.all(['key', 'new key', 'third key'].map(async (key) => store.get(key))), [
    'fast',
    'fast',
    'slow',
  ]);
});

test('two processes on a disk that takes two seconds lose none of two keys', async (t) => {
  const path = newFolder(t);
  const writers = ['one', 'other'].map((key) =>
    startProcess(
      t,
      `
    const { fsync } = fs;
    fs.fsync = (fd, callback) => setTimeout(() => fsync(fd, callback), 2_000);
    syncBuiltinESMExports();
    await fileStore(${JSON.stringify(path)}).set('${key}', 'value of ${key}', 60);
    console.log('written');
  `,
    ),
  );

  for (const { line } of writers) assert.equal(await line(), 'written');

  for (const key of ['one', 'other']) assert.equal(await fileStore(path).get(key), `value of ${key}`);
});

test('of many processes with one expectation one wins, round after round', async (t) => {
  const path = newFolder(t);
  const members = Array.from({ length: 6 }, (_, index) =>
    startProcess(
      t,
      `
    const store = fileStore(${JSON.stringify(path)});
    console.log('ready');
    for await (const line of createInterface(process.stdin)) {
      const [expected, value] = JSON.parse(line);
      console.log(await store.compareAndSet('key', expected ?? undefined, value + ' of ${index}', 60));
    }
  `,
    ),
  );
  for (const { line } of members) assert.equal(await line(), 'ready');
  let held: string | null = null;
  for (let round = 0; round < 25; round++) {
    for (const { tell } of members) tell([held, `round ${round}`]);
    const wins = await Promise.all(members.map(({ line }) => line()));

    assert.deepEqual(wins.filter((win) => win === 'true').length, 1);
    held = `round ${round} of ${wins.indexOf('true')}`;
    assert.equal(await fileStore(path).get('key'), held);
  }
});

/**
 * A process that stops itself before each step of a write in turn; it says before which, and what has come of
 * the write.
 */
const STOPPING = (path: string) => `
  let before;
  const stopBefore = (object, name) => {
    const real = object[name];
    object[name] = (...args) => {
      if (before !== undefined && before-- === 0) {
        fs.writeSync(1, 'stops before ' + name + '\\n');
        process.kill(process.pid, 'SIGSTOP');
      }
      return real.apply(object, args);
    };
  };
  const steps = ['link', 'mkdir', 'open', 'readdir', 'readFile', 'rename', 'stat', 'unlink', 'writeFile'];
  for (const name of steps) stopBefore(fs.promises, name);
  stopBefore(fs, 'fsync');
  syncBuiltinESMExports();
  const store = fileStore(${JSON.stringify(path)});
  for await (const line of createInterface(process.stdin)) {
    const [key, step] = JSON.parse(line);
    before = step;
    const hasWon = await store.compareAndSet(key, 'value', 'of the stopped one', 60);
    fs.writeSync(1, (before >= 0 ? 'no such step' : String(hasWon)) + '\\n');
  }
`;

test('a process stopped before any step of a write loses it, and undoes nothing when it goes on', async (t) => {
  const path = newFolder(t);
  const store = fileStore(path);
  const stopped = startProcess(t, STOPPING(path));
  const steps: string[] = [];
  for (let step = 0; ; step++) {
    const key = `key ${step}`;
    await store.set(key, 'first', 60);
    await store.set(key, 'value', 60);
    stopped.tell([key, step]);
    const line = await stopped.line();
    if (line === 'no such step') break;
    steps.push(line.replace('stops before ', ''));
    await stopped.isStopped();

    const isLinked = (await store.get(key)) === 'of the stopped one';
    const wins = await store.compareAndSet!(key, isLinked ? 'of the stopped one' : 'value', 'meanwhile', 60);
    stopped.kill('SIGCONT');

    assert.equal(wins, true);
    assert.equal(await stopped.line(), String(isLinked), `${steps.join()}`);
    assert.equal(await store.get(key), 'meanwhile', `${steps.join()}`);
  }
  assert.deepEqual(
    steps.filter((name) => ['fsync', 'rename', 'link'].includes(name)),
    ['fsync', 'rename', 'link'],
  );
  assert.ok(steps.length >= 12, steps.join());
});

test('a process killed before any step of a write leaves the value before or its own, and nothing after a minute', async (t) => {
  const path = newFolder(t);
  const store = fileStore(path);
  const before = Date.now();
  const found = new Set<string | null | undefined>();
  for (let step = 0; ; step++) {
    await store.set('key', 'value', 60);
    const killed = startProcess(t, STOPPING(path));
    killed.tell(['key', step]);
    const line = await killed.line();
    if (line === 'no such step') break;
    killed.kill('SIGKILL');
    await killed.ended;
    found.add(await store.get('key'));
    assert.equal(
      await store.compareAndSet!('key', (await store.get('key')) ?? undefined, 'after', 60),
      true,
      line,
    );
  }
  assert.deepEqual([...found], ['value', 'of the stopped one']);
  assert.ok(readdirSync(path).length > 2, 'nothing was left that could be removed');

  t.mock.method(Date, 'now', () => before + 3_600_000);
  await store.set('key', 'value', 60);
  assert.equal(readdirSync(path).length, 2);
});

test('shows a reader a whole value, whenever a writer is killed', async (t) => {
  const path = newFolder(t);
  await fileStore(path).set('key', `0${'x'.repeat(1_000_000)}`, 60);
  for (let round = 0; round < 5; round++) {
    const writer = startProcess(
      t,
      `
      const store = fileStore(${JSON.stringify(path)});
      console.log('started');
      for (let n = 0; ; n++) await store.set('key', n + 'x'.repeat(1_000_000), 60);
    `,
    );
    await writer.line();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
    writer.kill('SIGKILL');
    await writer.ended;

    assert.match((await fileStore(path).get('key')) ?? '', /^\d+x{1000000}$/);
  }
});

test('goes on where its files have been removed by hand', async (t) => {
  const { path, store, fileOf } = await createStore(t);
  await store.set('key', 'other', 60);
  rmSync(fileOf(2));
  assert.equal(await store.get('key'), undefined);
  assert.equal(await store.compareAndSet!('key', undefined, 'value', 60), true);

  rmSync(path, { recursive: true });
  assert.equal(await store.get('key'), undefined);
  await store.set('key', 'value', 60);

  assert.equal(await store.get('key'), 'value');
});

function newFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A store that holds 'value' under 'key', and where the versions of that lie. */
async function createStore(t: TestContext) {
  const path = newFolder(t);
  const store = fileStore(path);
  await store.set('key', 'value', 60);
  const [name] = readdirSync(path);
  return { path, store, fileOf: (version: number) => join(path, name!.replace(/\d+$/, String(version))) };
}

/** Puts a pipe that nobody writes to in the place of a file. */
function makePipe(path: string): void {
  rmSync(path);
  execFileSync('mkfifo', [path]);
}

type Step = 'mkdir' | 'open' | 'readdir' | 'readFile' | 'rename' | 'link' | 'stat' | 'unlink' | 'writeFile';

/** Lets a step of the file system fail, for the built package too, until it is restored. */
function failWith(step: Step, code: string): () => void {
  return mockStep(step, () => Promise.reject(Object.assign(new Error(code), { code })));
}

function mockStep(step: Step, replacement: (path: string, ...more: any[]) => Promise<unknown>): () => void {
  const real = fs.promises[step];
  Object.assign(fs.promises, { [step]: replacement });
  syncBuiltinESMExports();
  return () => {
    Object.assign(fs.promises, { [step]: real });
    syncBuiltinESMExports();
  };
}

/** Starts a process on the built package, from a shell that is set up so. */
function startProcess(t: TestContext, code: string, setUp = '') {
  const script = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    import { createInterface } from 'node:readline';
    import { fileStore } from 'thingspace-auth/stores/file';
    ${code}`;
  const command = ['-c', `${setUp} exec "$@"`, 'sh', process.execPath, '--input-type=module', '-e', script];
  const child = spawn('sh', command, { cwd: import.meta.dirname, stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    /** The next line that it prints. */
    line: async (): Promise<string> => (await lines.next()).value,
    tell: (message: unknown) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
    ended: once(child, 'exit'),
    isStopped: async () => {
      const state = () => execFileSync('ps', ['-o', 'state=', '-p', String(child.pid)], { encoding: 'utf8' });
      while (!state().startsWith('T')) await new Promise(setImmediate);
    },
  };
}

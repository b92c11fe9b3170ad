/**
 * A store in a folder, for the processes of one machine. The only source file that imports `node:` modules.
 *
 * A key's value is the file `digest.N` with the highest N: its versions. A new one is written aside, synced, and linked to
 * the next name, which only one process can do; there is no lock, so nobody waits for one that has been stopped. Two rules
 * make that hold, however processes stall between two steps:
 * - A file aside bears the number of the version that it is to follow, and is linked only if that was still the highest
 *   once it bore it.
 * - A version is removed only by one who has seen a higher one, the lowest first, and after all files aside that are to
 *   follow a lower one than it.
 * So a name is never given twice, a writer that was slow finds the next name taken or its file aside gone, and a reader
 * whose listing has missed the newest version finds the one it has seen removed, and looks again. Before a key's first
 * version is removed, the empty file `digest.0` is made, and stays: without it, nothing that was there has been removed, so
 * that a listing of nothing can be believed.
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { fsync } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createEntry, valueOf } from './entry.ts';
import type { TokenStore } from './tokenStore.ts';

/**
 * A store that keeps each key in a file of its own in `folder` (JSON, mode 0600; its name shows nothing of the key), for
 * Node, Deno and Bun. Each write goes to a file aside, to the disk (`fsync`), and into place by a hard link: a reader or a
 * crash never meets half a file, and a writer that was stopped or slow never overwrites what came meanwhile. What killed
 * writers leave behind is removed by a write more than a minute later. A key that has been written more than once has an
 * empty file beside its own, a deleted one a small one without a value; a value whose time is over stays on the disk until
 * its key is written again.
 *
 * The folder is made (mode 0700) where it is missing; nobody else should be able to write there. It may be a symbolic
 * link. One in the place of a file in it is read through, and what it leads to is never written: the next write puts a
 * file of its own above it. For file systems that are shared by machines take another store.
 *
 * Rejects with what the file system says (`EACCES`, `ENOSPC`, …), with an error that says so where it has no hard links,
 * and with a `SyntaxError` where it reads a file that is no JSON, which a `set` replaces.
 *
 * @param folder its path; a relative one is looked up at each operation
 * @throws `TypeError` for what is no path
 */
export function fileStore(folder: string): TokenStore {
  if (typeof folder !== 'string' || !folder) throw new TypeError('fileStore(folder) must be the path of a folder');
  return {
    get: async (key) => valueIn((await findLatest(folder, digestOf(key))).text),
    set: (key, value, ttlSeconds) => write(folder, digestOf(key), () => true, createEntry(value, ttlSeconds)),
    delete: (key) => write(folder, digestOf(key), (text = DELETED) => text !== DELETED, {}),
    compareAndSet: async (key, expected, value, ttlSeconds) => {
      const entry = value === undefined ? {} : createEntry(value, ttlSeconds);
      return write(folder, digestOf(key), (text) => valueIn(text) === expected, entry);
    },
  };
}

/** The text of a version without a value. */
const DELETED = '{}';
const ABANDONED_AFTER_MS = 60_000;
const MOST_LOOKS = 100;

/** Whether the next version may be written, by the text of the latest one: absent where there is none. */
type MayFollow = (text?: string) => boolean;

/** A file name on all disks, whatever text the key is: in UTF-8 halves of surrogate pairs would be one and the same. */
function digestOf(key: string): string {
  return createHash('sha256').update(key, 'utf16le').digest('hex');
}

function valueIn(text: string | undefined): string | undefined {
  return text === undefined ? undefined : valueOf(JSON.parse(text));
}

/** A key's highest version and its text; 0 where there is none. */
async function findLatest(folder: string, digest: string): Promise<{ readonly version: number; readonly text?: string }> {
  let seen: number | undefined;
  for (let looks = 1; ; looks++) {
    const { versions, hasHadOne } = await list(folder, digest);
    const version = versions.at(-1) ?? 0;
    // A listing may miss a version that comes while it runs: nothing was there at the first of two that show nothing at
    // all. Where something must be, and is not after many looks, it has been removed by hand.
    if (!version && (hasHadOne ? looks >= MOST_LOOKS : seen === 0)) return { version };
    try {
      if (version) return { version, text: await readFile(join(folder, `${digest}.${version}`), 'utf8') };
    } catch (error) {
      // A name never comes back: one that is still listed is a symbolic link that leads nowhere.
      if (codeOf(error) !== 'ENOENT' || version === seen) throw error;
    }
    seen = version;
  }
}

/** Writes the next version, as long as the latest one may be followed by it, and says whether it has. */
async function write(folder: string, digest: string, mayFollow: MayFollow, entry: object): Promise<boolean> {
  for (;;) {
    if (!mayFollow((await findLatest(folder, digest)).text)) return false;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const aside = join(folder, `${digest}.${randomUUID()}`);
    await writeAside(aside, JSON.stringify(entry));
    const isLinked = await linkNext(folder, digest, aside, mayFollow);
    // The write has been made: what cannot be removed now is tried again with the next one.
    if (isLinked) await tidy(folder, digest).catch(() => undefined);
    if (isLinked !== undefined) return isLinked;
  }
}

async function writeAside(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    // Deno 2.0 has no `file.sync()`.
    await promisify(fsync)(file.fd);
  } catch (error) {
    await remove(path);
    throw error;
  } finally {
    await file.close();
  }
}

/** Whether it has linked what lies aside as the next version; `undefined` where that has been taken away. */
async function linkNext(folder: string, digest: string, written: string, mayFollow: MayFollow): Promise<boolean | undefined> {
  let aside = written;
  try {
    for (;;) {
      const { version, text } = await findLatest(folder, digest);
      if (!mayFollow(text)) return false;
      const numbered = join(folder, `${digest}.${version}.${randomUUID()}`);
      await rename(aside, numbered);
      aside = numbered;
      const isLatest = (await findLatest(folder, digest)).version === version;
      if (isLatest && (await linkExclusively(aside, join(folder, `${digest}.${version + 1}`)))) return true;
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  } finally {
    // What cannot be removed now is so after a minute.
    await remove(aside).catch(() => undefined);
  }
}

/** False where there is such a name. */
async function linkExclusively(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const code = codeOf(error)!;
    if (code === 'EEXIST') return false;
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(code)) throw error;
    throw Object.assign(new Error('fileStore needs a file system with hard links', { cause: error }), { code });
  }
}

/** Removes what is superseded, and what writers of any key have not finished. */
async function tidy(folder: string, digest: string): Promise<void> {
  let { versions, names, hasHadOne } = await list(folder, digest);
  for (const name of names.filter((each) => ASIDE.test(each))) await removeAbandoned(join(folder, name));
  if (versions.length > 1 && !hasHadOne) await writeFile(join(folder, `${digest}.0`), '', { flag: 'a', mode: 0o600 });
  while (versions.length > 1) {
    // All below it are gone, and nobody puts anything aside any more that is to follow them.
    const lowest = versions[0]!;
    const now = await list(folder, digest);
    for (const name of now.names) if (followedBy(name, digest) < lowest) await remove(join(folder, name));
    await remove(join(folder, `${digest}.${lowest}`));
    versions = now.versions.filter((version) => version > lowest);
  }
}

/** A file aside: `digest.id`, and once it bears the number of the version that it is to follow, `digest.N.id`. */
const ASIDE = /^[0-9a-f]{64}(\.\d+)?\.[0-9a-f-]{36}$/;

/** The version that a file aside is to follow; `NaN` for any other file. */
function followedBy(name: string, digest: string): number {
  const [key, version, id] = name.split('.');
  return key === digest && id ? Number(version) : NaN;
}

interface Listing {
  readonly names: readonly string[];
  /** Those of one key, the highest last. */
  readonly versions: readonly number[];
  /** Whether one of them may have been removed. */
  readonly hasHadOne: boolean;
}

async function list(folder: string, digest: string): Promise<Listing> {
  const names = (await readdir(folder).catch(ignoreMissing)) ?? [];
  const versions = names.flatMap((name) => {
    const [key, version, ...more] = name.split('.');
    return key === digest && !more.length && /^[1-9]\d{0,14}$/.test(version!) ? Number(version) : [];
  });
  return { names, versions: versions.sort((a, b) => a - b), hasHadOne: names.includes(`${digest}.0`) };
}

/** A writer that is only slow finds its file gone, and begins anew. */
async function removeAbandoned(path: string): Promise<void> {
  const { mtimeMs } = (await stat(path).catch(ignoreMissing)) ?? { mtimeMs: Infinity };
  if (Date.now() - mtimeMs > ABANDONED_AFTER_MS) await remove(path);
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

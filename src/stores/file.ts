/**
 * A store in one file, for the processes of one machine. The only source file that imports `node:` modules.
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants, copyFileSync, fsync, linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { TokenStore } from './tokenStore.ts';
import type { Entry } from './entry.ts';
import { createEntry, valueOf } from './entry.ts';

/**
 * A store that keeps all its keys in the file `path` (JSON, mode 0600), for Node, Deno and Bun. Each write goes to a
 * temporary file beside it, to the disk (`fsync`), and into place by a rename: a reader or a crash never meets half a
 * file. Writers take turns through a lock file beside it; locks are such files too, and one whose holder was killed
 * ends with its time. For file systems that are shared by machines whose clocks differ, take another store.
 * The folder is made (mode 0700) where it is missing. Rejects with what the file system says (`EACCES`, `ENOSPC`, …).
 */
export function fileStore(path: string): TokenStore {
  return {
    get: async (key) => valueOf((await readEntries(path))[key]),
    set: (key, value, ttlSeconds) =>
      update(path, (entries) => {
        entries[key] = createEntry(value, ttlSeconds);
      }),
    delete: (key) =>
      update(path, (entries) => {
        delete entries[key];
      }),
    lock: async (key, ttlSeconds) => {
      await makeFolder(path);
      const release = takeLock(`${path}.${createHash('sha256').update(key).digest('hex').slice(0, 16)}.lock`, ttlSeconds * 1000);
      return release && (async () => release());
    },
  };
}

type Entries = Record<string, Entry | undefined>;

/** Rejects with a `SyntaxError` for a file that is no JSON. */
async function readEntries(path: string): Promise<Entries> {
  try {
    return { ...JSON.parse(await readFile(path, 'utf8')) };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return {};
    throw error;
  }
}

const WRITE_LIMIT_MS = 1_000;
/** To give a lock back: some tenths of a second. */
const MOST_TRIES = 10_000;

/** Writers take turns, or one would undo what another writes at the same time. One that does not get its turn goes on. */
async function update(path: string, change: (entries: Entries) => void): Promise<void> {
  await makeFolder(path);
  const giveUpAtMs = Date.now() + WRITE_LIMIT_MS;
  let release = takeLock(`${path}.lock`, WRITE_LIMIT_MS);
  while (!release && Date.now() < giveUpAtMs) {
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 15));
    release = takeLock(`${path}.lock`, WRITE_LIMIT_MS);
  }
  try {
    const entries = await readEntries(path).catch(replaceJunk);
    change(entries);
    const current = Object.entries(entries).filter(([, entry]) => valueOf(entry) !== undefined);
    await replaceFile(path, JSON.stringify(Object.fromEntries(current)));
  } finally {
    release?.();
  }
}

/** A file that is no JSON is of no use to anybody. */
function replaceJunk(error: unknown): Entries {
  if (error instanceof SyntaxError) return {};
  throw error;
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = asideOf(path);
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      // Deno 2.0 has no `file.sync()`.
      await promisify(fsync)(file.fd);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
}

/**
 * Takes a lock file, one whose time is over too. Everything about locks is synchronous, so that next to nothing can
 * happen between looking and acting.
 */
function takeLock(path: string, ttlMs: number, remove = removeAlone): (() => void) | undefined {
  const held = readLock(path);
  if (held !== undefined && (Number.parseInt(held, 10) > Date.now() || !remove(path, held))) return undefined;
  const own = `${Date.now() + ttlMs} ${randomUUID()}`;
  const aside = asideOf(path);
  writeFileSync(aside, own, { flag: 'wx', mode: 0o600 });
  if (!moveLock(aside, path)) return undefined;
  return () => {
    // Another's look at it takes a moment. Should it never end, the lock ends with its time.
    for (let tries = 0; tries < MOST_TRIES && readLock(path) === own && !remove(path, own); ) tries++;
  };
}

function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Removes a lock if it is still the one meant. One process at a time removes, so that the lock it has seen is the lock it
 * removes: another's that has come meanwhile stays in its place all the time.
 */
function removeAlone(path: string, meant: string): boolean {
  const release = takeLock(`${path}.remove`, WRITE_LIMIT_MS, removeAside);
  if (!release) return false;
  try {
    if (readLock(path) !== meant) return false;
    unlinkSync(path);
    return true;
  } finally {
    release();
  }
}

/**
 * Removes such a right to remove, which outlives its holder only where that is killed between two of the lines above.
 * Moving it aside is the one step that only one process can do, and shows which it was. Another's is put back.
 */
function removeAside(path: string, meant: string): boolean {
  const aside = asideOf(path);
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
  if (readLock(aside) === meant) {
    unlinkSync(aside);
    return true;
  }
  moveLock(aside, path);
  return false;
}

/** Moves a lock into place, unless there is one. */
function moveLock(aside: string, path: string): boolean {
  try {
    linkOrCopy(aside, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(aside);
  }
  return true;
}

/** Puts a lock in place whole; where the file system knows no hard links, all but whole. */
function linkOrCopy(aside: string, path: string): void {
  try {
    linkSync(aside, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error;
    copyFileSync(aside, path, constants.COPYFILE_EXCL);
  }
}

function asideOf(path: string): string {
  return `${path}.${randomUUID()}.tmp`;
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

/**
 * A store in a folder, for the processes of one machine. It is the only entry that imports `node:` modules.
 *
 * Each write of a key makes a new version: the file `digest.N`. The version with the highest N holds the
 * value. A writer first writes a file aside and syncs it. Then it links that file to the next name, which
 * only one process can do. There is no lock, so nobody waits for a process that has been stopped. Two rules
 * keep this right, however long a process pauses between two steps:
 * - A file aside is renamed so that its name holds the number of the version that it is to follow. It is
 *   linked only if that version is still the highest after the renaming.
 * - A version is removed only by a process that has seen a higher one. The lowest version goes first, and
 *   before it all files aside that are to follow a version below it.
 *
 * So no name is ever used twice. A slow writer finds the next name taken, or its file aside gone. A reader
 * whose listing has missed the newest version finds that the version which it did see has been removed, and
 * looks again.
 *
 * Before the first version of a key is removed, the empty file `digest.0` is made, and it stays. As long as
 * it is missing, no version of the key has been removed, so that a listing without any version can be
 * believed.
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants, fsync } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { createEntry, valueOfEntry } from './entry.ts';
import type { TokenStore } from './tokenStore.ts';

/**
 * A store that keeps each key in a file of its own in `folder`, for the processes of one machine (Node, Deno,
 * Bun). Neither a reader nor a crash meets half a value, and a slow writer never overwrites what others wrote
 * meanwhile. What killed writers leave behind is removed after a minute. A deleted key may leave empty files.
 * Touches no network, unless the folder is on a share.
 *
 * The folder is made (mode 0700, files 0600) if it is missing, and may be a symbolic link. Each operation
 * lists it several times: it is made for some hundred keys. Operations on one store run one after another, so
 * that a file share that stalls holds one of Node's four threads at most.
 *
 * Rejects with what the file system says (`EACCES`, `ENOSPC`, …); the error says whose file it is if another
 * user wrote it, which `set` replaces. Without hard links, the code is `no_hard_links`. With the code
 * `unsafe_folder`, it refuses a folder that belongs to a user other than this one and root, or that everybody
 * may write to (not on Windows; on Deno the owner is not looked at). A broken file, and what is no regular
 * file, such as a pipe, count as no value.
 *
 * @param folder a path; a relative one is looked up at each operation
 * @throws `TypeError` for anything else
 *
 * @example
 * ```ts
 * import { storedToken } from 'thingspace-auth/stores';
 * import { fileStore } from 'thingspace-auth/stores/file';
 *
 * const provider = storedToken(fileStore('/var/lib/my-service'));
 * ```
 */
export function fileStore(folder: string): TokenStore {
  if (typeof folder !== 'string' || !folder)
    throw new TypeError('fileStore(folder) must be the path of a folder');
  const inTurn = createQueue();
  const read = (key: string) =>
    inTurn(async () => {
      await refuseUnsafe(folder);
      return valueIn((await findLatest(folder, digestOf(key), 'text')).text);
    });
  const write = (key: string, mayFollow: MayFollow, entry: string) =>
    inTurn(async () => {
      await refuseUnsafe(folder);
      return writeVersion(folder, digestOf(key), mayFollow, entry);
    });
  return {
    get: read,
    set: (key, value, ttlSeconds) => write(key, undefined, textOfEntry(value, ttlSeconds)),
    delete: (key) => write(key, (text = DELETED) => text !== DELETED, DELETED),
    compareAndSet: (key, expected, value, ttlSeconds) => {
      const entry = value === undefined ? DELETED : textOfEntry(value, ttlSeconds);
      return write(key, (text) => valueIn(text) === expected, entry);
    },
  };
}

/**
 * Runs one operation after another, whatever becomes of those before. Each operation of a file share that
 * stalls would keep one of Node's four threads, and without threads there are no files, no DNS and no
 * WebCrypto.
 */
function createQueue(): <T>(operate: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (operate) => {
    const done = last.then(operate);
    last = done.catch(() => undefined);
    return done;
  };
}

/**
 * Rejects for a folder in which somebody else could put a value of their own. A missing one is made later, by
 * a write.
 */
async function refuseUnsafe(folder: string): Promise<void> {
  const found = await stat(folder).catch(ignoreMissing);
  // Windows has neither owners nor modes of this kind.
  if (!found || process.platform === 'win32') return;
  if (isForeign(found.uid)) throw unsafe(`${folder} belongs to user ${found.uid}`);
  if (found.mode & 0o002) throw unsafe(`others may write to ${folder}`);
}

/** Whether a folder's owner is neither root nor this process. Deno says who that is only if it may. */
function isForeign(owner: number): boolean {
  return owner !== 0 && !('Deno' in globalThis) && owner !== process.geteuid?.();
}

function unsafe(what: string): Error {
  const advice = "give fileStore a folder of this user's own, which may be a new one inside it";
  return Object.assign(new Error(`${what}: ${advice}`), { code: 'unsafe_folder' });
}

/** The text of a version without a value: a full disk still takes an empty file. */
const DELETED = '';
const ABANDONED_AFTER_MS = 60_000;
const MOST_LOOKS = 100;

/**
 * Says by the text of the latest version whether the next one may be written. No text: there is no version.
 * `undefined`: it may, whatever there is, so that nothing needs to be read.
 */
type MayFollow = ((text?: string) => boolean) | undefined;

/**
 * A file name that all disks accept, whatever text the key is. Hashed as UTF-16: in UTF-8, lone halves of
 * surrogate pairs all become the same bytes.
 */
function digestOf(key: string): string {
  return createHash('sha256').update(key, 'utf16le').digest('hex');
}

function textOfEntry(value: string, ttlSeconds: number | undefined): string {
  return JSON.stringify(createEntry(value, ttlSeconds));
}

/** A file that is broken holds no value, and the next write replaces it. */
function valueIn(text: string | undefined): string | undefined {
  try {
    return valueOfEntry(JSON.parse(text ?? ''));
  } catch {
    return undefined;
  }
}

interface LatestVersion {
  /** 0 if there is none. */
  readonly version: number;
  readonly text?: string;
}

/** A key's highest version, and its text if that is wanted. */
async function findLatest(folder: string, digest: string, wanted?: 'text'): Promise<LatestVersion> {
  let seen: number | undefined;
  for (let looks = 1; ; looks++) {
    const { versions, hasHadOne } = await listVersions(folder, digest);
    const version = versions.at(-1) ?? 0;
    if (version) {
      const path = join(folder, `${digest}.${version}`);
      const latest = await readVersion(path, version, wanted);
      if (latest) return latest;
      // No name is used twice. If a name is listed again and still cannot be read, it is a
      // symbolic link that leads nowhere: this rejects and names it.
      if (version === seen) await stat(path);
    }
    // A listing may miss a version that is made while it runs. If two listings in a row show no version,
    // there was none at the time of the first one. If there must be a version, and many listings show none,
    // somebody has removed it by hand.
    else if (hasHadOne ? looks >= MOST_LOOKS : seen === 0) return { version };
    seen = version;
  }
}

/**
 * `undefined`: it has been removed. Where the text is not wanted, a file that this process may not read will
 * do.
 */
async function readVersion(
  path: string,
  version: number,
  wanted?: 'text',
): Promise<LatestVersion | undefined> {
  try {
    const found = await stat(path);
    // A pipe or a device may keep its reader waiting. A folder is an error when it is read.
    if (!found.isFile() && !found.isDirectory()) return { version, text: DELETED };
    // Opening what has just become a pipe waits for nobody then. Windows has no such flag.
    const flag = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
    return { version, text: await readFile(path, { encoding: 'utf8', flag }) };
  } catch (error) {
    if (codeOf(error) === 'EACCES') {
      if (!wanted) return { version };
      // One run as another user (root) leaves files that a service cannot read.
      (error as Error).message += ` of user ${(await stat(path)).uid}: change its owner, or remove it`;
    }
    return ignoreMissing(error);
  }
}

/** Writes the next version, if the latest one may be followed by it, and says whether it did. */
async function writeVersion(
  folder: string,
  digest: string,
  mayFollow: MayFollow,
  entry: string,
): Promise<boolean> {
  for (;;) {
    if ((await findFollowed(folder, digest, mayFollow)) === undefined) return false;
    await makeFolder(folder);
    const aside = join(folder, `${digest}.${randomUUID()}`);
    await writeAside(aside, entry);
    const isLinked = await linkNext(folder, digest, aside, mayFollow);
    // The write itself is done. What cannot be removed now is tried again after the next write.
    if (isLinked) await tidy(folder, digest).catch(() => undefined);
    if (isLinked !== undefined) return isLinked;
  }
}

/**
 * Makes a folder and those above it that are missing. Node's recursive `mkdir` would never end where a folder
 * cannot be made although the one above it is there, as in /proc.
 */
async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make().catch((again) => {
      if (codeOf(again) !== 'EEXIST') throw again;
    });
  }
}

/** The latest version; `undefined` if it may not be followed. */
async function findFollowed(
  folder: string,
  digest: string,
  mayFollow: MayFollow,
): Promise<number | undefined> {
  const { version, text } = await findLatest(folder, digest, mayFollow && 'text');
  // No writer comes as far. The names of the versions after it would be too long for `listVersions`.
  if (version > 9e14) throw new RangeError(`remove ${digest}.${version}`);
  return !mayFollow || mayFollow(text) ? version : undefined;
}

async function writeAside(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    // Deno 2.0 has no `file.sync()`.
    await promisify(fsync)(file.fd);
  } catch (error) {
    await removeFile(path);
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * Links the file aside as the next version. `false`: the latest version may not be followed. `undefined`:
 * somebody has removed the file aside.
 */
async function linkNext(
  folder: string,
  digest: string,
  written: string,
  mayFollow: MayFollow,
): Promise<boolean | undefined> {
  let aside = written;
  try {
    for (;;) {
      const version = await findFollowed(folder, digest, mayFollow);
      if (version === undefined) return false;
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
    // If it cannot be removed now, a write does so when it is a minute old.
    await removeFile(aside).catch(() => undefined);
  }
}

/** Makes a hard link. `false`: the name is taken. */
async function linkExclusively(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return false;
    if (!/ENO(ENT|SPC)|EDQUOT/.test(`${code}`)) await tryLink(from, `${to}.${randomUUID()}`, error);
    throw error;
  }
}

/**
 * Rejects if there are no hard links at all. Each system has its own code for that: EPERM, ENOTSUP, Android
 * EACCES, Windows on exFAT EISDIR.
 */
async function tryLink(from: string, trial: string, cause: unknown): Promise<void> {
  try {
    await link(from, trial);
  } catch {
    throw Object.assign(new Error('fileStore needs a file system with hard links', { cause }), {
      code: 'no_hard_links',
    });
  }
  await removeFile(trial);
}

/**
 * Removes the versions of a key that are no longer the latest, and the files that writers of any key left
 * unfinished.
 */
async function tidy(folder: string, digest: string): Promise<void> {
  let { versions, names, hasHadOne } = await listVersions(folder, digest);
  for (const name of names.filter((each) => ASIDE.test(each))) await removeAbandoned(join(folder, name));
  if (versions.length > 1 && !hasHadOne)
    await writeFile(join(folder, `${digest}.0`), '', { flag: 'a', mode: 0o600 });
  while (versions.length > 1) {
    const [lowest = 0] = versions;
    // All versions below this one are gone, and no writer makes a new file aside any more that is to follow
    // one of them.
    const now = await listVersions(folder, digest);
    for (const name of now.names) if (followedBy(name, digest) < lowest) await removeFile(join(folder, name));
    await removeFile(join(folder, `${digest}.${lowest}`));
    versions = now.versions.filter((version) => version > lowest);
  }
}

/**
 * A file aside: `digest.id`, and later `digest.N.id`, when its name holds the number of the version that it
 * is to follow.
 */
const ASIDE = /^[\da-f]{64}(\.\d+)?\.[\da-f-]{36}$/;

/** The version that a file aside is to follow; `NaN` for any other file. */
function followedBy(name: string, digest: string): number {
  const [key, version, id] = name.split('.');
  return key === digest && id ? Number(version) : NaN;
}

interface Listing {
  readonly names: readonly string[];
  /** The versions of one key, the highest last. */
  readonly versions: readonly number[];
  /** Whether a version of the key may have been removed. */
  readonly hasHadOne: boolean;
}

async function listVersions(folder: string, digest: string): Promise<Listing> {
  const names = (await readdir(folder).catch(ignoreMissing)) ?? [];
  const versions = names.flatMap((name) => {
    const [key, version = '', ...more] = name.split('.');
    return key === digest && !more.length && /^[1-9]\d{0,14}$/.test(version) ? Number(version) : [];
  });
  return { names, versions: versions.sort((a, b) => a - b), hasHadOne: names.includes(`${digest}.0`) };
}

/** Removes an old file aside. A writer that is only slow finds its file gone, and begins anew. */
async function removeAbandoned(path: string): Promise<void> {
  const found = await stat(path).catch(ignoreMissing);
  if (found && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS) await removeFile(path);
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

/**
 * The body of `check`'s call.
 * @module
 */
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { CallOrder } from './commandLine.ts';
import { Stop } from './stop.ts';

/** What `fetch` is given besides the URL. The file is read now, before any request. */
export function readInit({ method, data }: CallOrder): RequestInit {
  if (data === undefined) return { method };
  const body = new Uint8Array(data.startsWith('@') ? readData(data.slice(1)) : Buffer.from(data));
  // All of the vendor's APIs take JSON. Anything else goes without a type, which nobody here knows.
  return isJson(new TextDecoder().decode(body))
    ? { method, body, headers: { 'content-type': 'application/json' } }
    : { method, body };
}

function readData(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Stop(`The file of --data cannot be read (${code})`, 'Give its path after the @.');
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

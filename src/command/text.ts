/**
 * Texts from elsewhere, made fit to be printed: what comes from a server stays within its line, and repeats
 * no secret.
 * @module
 */
import { Buffer } from 'node:buffer';

/** Environment variables, or what stands for them. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The beginning of the names of our variables. */
export const PREFIX = 'THINGSPACE_';

/** Whether this is a name of ours, which can be shown. Other texts in its place may hold a secret. */
export function isVariableName(text: string): boolean {
  return /^THINGSPACE_[A-Z0-9_]+$/.test(text);
}

/**
 * Shows what a terminal would obey, and what would begin a new line or turn the direction of writing, as
 * `\u{…}`.
 */
export function escapeControls(text: string): string {
  const escapeOne = (sign: string) => `\\u{${sign.codePointAt(0)?.toString(16)}}`;
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeOne);
}

/** A text that a server has sent. */
export function fromServer(text: string, secrets: readonly string[]): string {
  const masked = secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return escapeControls(masked.replace(/\/\/[^/\s@]+@/g, '//***@'));
}

/** The secrets of the variables: as they stand there, as in a form, and as in a Basic header. */
export function secretsOf(env: Variables): string[] {
  const read = (name: string) => env[`THINGSPACE_${name}`]?.trim() ?? '';
  const [id, secret] = [read('CLIENT_ID'), read('CLIENT_SECRET')];
  const plain = [secret, read('M2M_TOKEN'), read('PASSWORD')].filter(Boolean);
  const pairs = secret ? [`${id}:${secret}`, `${asForm(id)}:${asForm(secret)}`] : [];
  return [
    ...pairs.map((pair) => Buffer.from(pair).toString('base64')),
    ...plain,
    ...plain.map(asForm),
    ...plain.map(encodeURIComponent),
  ];
}

function asForm(value: string): string {
  return `${new URLSearchParams({ value })}`.slice('value='.length);
}

/** Where a URL leads: its query may hold a secret. */
export function originAndPath(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

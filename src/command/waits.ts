/**
 * In a terminal, a wait of over a second says what is waited for. Anywhere else nobody is there to read it.
 * @module
 */
import process from 'node:process';
import type { ClientEvent } from '../index.ts';
import { printAside } from './output.ts';
import { originAndPath } from './text.ts';

const SILENT_MS = 1000;

/** What the command waits for at the moment, told once. */
export interface Waits {
  /** Waits for something that has a name. Inside it may be a wait for something more exact. */
  readonly during: <T>(what: string, wait: () => Promise<T>) => Promise<T>;
  /** The global `fetch`, which names the URL that it waits for. */
  readonly fetch: typeof fetch;
  /** Tells of the pause before another try. */
  readonly onEvent: (event: ClientEvent) => void;
}

export function createWaits(): Waits {
  const pending: string[] = [];
  const told = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  return { during, fetch: send, onEvent };

  async function during<T>(what: string, wait: () => Promise<T>): Promise<T> {
    pending.push(what);
    watchTheLast();
    try {
      return await wait();
    } finally {
      pending.splice(pending.lastIndexOf(what), 1);
      watchTheLast();
    }
  }

  /** The second begins anew with each thing that is waited for. */
  function watchTheLast(): void {
    clearTimeout(timer);
    const what = pending.at(-1);
    if (what === undefined || told.has(what) || !process.stderr.isTTY) return;
    timer = setTimeout(() => {
      told.add(what);
      printAside(`Waiting for ${what} …`);
    }, SILENT_MS);
  }

  function send(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
    return during(originAndPath(new Request(input).url), () => fetch(input, init));
  }

  function onEvent(event: ClientEvent): void {
    if (event.type !== 'retry_waiting' || event.delayMs < SILENT_MS || !process.stderr.isTTY) return;
    const { statusCode, code, delayMs } = event;
    printAside(`Waiting ${Math.ceil(delayMs / 1000)} s for another try, after ${statusCode ?? code} …`);
  }
}

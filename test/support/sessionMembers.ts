/** Processes of their own with a session each, for `sessionFleet.test.ts` and `sessionProcesses.test.ts`. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** What a process begins with. */
export interface Setting {
  readonly origin: string;
  readonly password: string;
  /** Of a login. */
  readonly timeoutMs: number;
  /** Its name, which goes along with its requests. */
  readonly name: string;
  /** Where its clock stands until it is moved; absent: the real time. */
  readonly nowMs?: number;
  /** Where the record lies; absent: in the store behind HTTP. */
  readonly folder?: string;
  /** The names of the keys that its store encrypts with, the first one for writing; absent: it does not. */
  readonly keys?: readonly string[];
  /** A step of a login, or of a write, at which it stops itself, once. */
  readonly stopAt?: string;
  /** What its disk takes to sync. */
  readonly fsyncMs?: number;
}

/** What a process is told to do. It tells by the same word that it has done so, and how a call has ended. */
export type Order = readonly ['begin', Setting] | readonly ['call'] | readonly ['moveClock', ms: number];
export type Report = readonly [word: Order[0] | 'stopped' | 'written', outcome?: string];

export interface Member {
  readonly child: ChildProcess;
  /** Begins anew, with a client and a session that know nothing of what was before. */
  readonly begin: (setting: Setting) => Promise<unknown>;
  /** Makes one call: `'ok'`, the code of its error, or `'killed'`. */
  readonly call: () => Promise<unknown>;
  readonly moveClock: (ms: number) => Promise<unknown>;
  /** Resolves when it has stopped itself. */
  readonly stopped: () => Promise<unknown>;
  /** Resolves when its next write has ended, with or without an effect. */
  readonly written: () => Promise<unknown>;
}

/** Starts a process that is killed when the test has ended. */
export function startMember(t: TestContext): Member {
  const child = fork(join(import.meta.dirname, 'sessionFleetMember.js'));
  t.after(() => child.kill('SIGKILL'));
  const killed = once(child, 'exit').then(() => 'killed');
  const reported = (word: Report[0]) => {
    const outcome = new Promise<unknown>((resolve) => {
      const listen = ([each, outcome]: Report) => {
        if (each !== word) return;
        child.off('message', listen);
        resolve(outcome);
      };
      child.on('message', listen);
    });
    return Promise.race([outcome, killed]);
  };
  const tell = (...order: Order) => {
    const done = reported(order[0]);
    child.send(order);
    return done;
  };
  return {
    child,
    begin: (setting) => tell('begin', setting),
    call: () => tell('call'),
    moveClock: (ms) => tell('moveClock', ms),
    stopped: () => reported('stopped'),
    written: () => reported('written'),
  };
}

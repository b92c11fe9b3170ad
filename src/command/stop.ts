/**
 * The error that ends the command early, with advice.
 * @module
 */

/** The exit status: 0; 1 if something does not work; 2 if the command line is wrong. */
export type ExitStatus = 0 | 1 | 2;

/** A failure and the next thing to do, in the words of a shell. */
export interface Explanation {
  readonly message: string;
  readonly next: string;
}

/** Ends the command with an explanation. */
export class Stop extends Error {
  override readonly name = 'Stop';
  readonly next: string;
  readonly status: ExitStatus;

  constructor(message: string, next: string, status: ExitStatus = 1) {
    super(message);
    this.next = next;
    this.status = status;
  }
}

/** For a mistake in the command line. */
export function wrongUse(message: string): Stop {
  return new Stop(message, 'For help: npx thingspace-auth --help', 2);
}

/**
 * Tells a mock's token from a real one. A mock may answer in the name of the real hosts: all it takes is
 * `NODE_OPTIONS=--import thingspace-auth/testing/global`, left over from a trial.
 * @module
 */

/** A sentence if a mock of ours gave out the token, access or session; by its name, so in a store, too. */
export function noticesOfMock(token: string | undefined): string[] {
  const isOfMock = /^mock-(access|session)-token-/.test(token ?? '');
  return isOfMock ? ['a mock of thingspace-auth gave out this token: no real server accepts it'] : [];
}

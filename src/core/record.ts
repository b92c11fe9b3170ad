/**
 * Records as they come out of JSON: an absent member is not there at all, rather than `undefined`.
 * @module
 */

/** A copy of a record of JSON values without its `undefined` members. It is frozen, and so is all in it. */
export function freezeRecord<T>(record: { readonly [K in keyof T]: T[K] | undefined }): T {
  return JSON.parse(JSON.stringify(record), (_name, value) => Object.freeze(value));
}

/**
 * Records as they come out of JSON: an absent member is not there at all, rather than `undefined`.
 * @module
 */

/** A copy of a record of JSON values without its `undefined` members. */
export function withoutAbsent<T>(record: { readonly [K in keyof T]: T[K] | undefined }): T {
  return JSON.parse(JSON.stringify(record));
}

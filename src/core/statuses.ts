/**
 * What a status says of the same request a little later. This is the one table; each row is asked by one of
 * those who have to know.
 *
 * | status                                 | may pass | token request is repeated | login was not judged  |
 * | -------------------------------------- | -------- | ------------------------- | --------------------- |
 * | 408, 500, 502, 504                     | yes      | yes                       | no                    |
 * | 429                                    | yes      | yes                       | yes                   |
 * | 503                                    | yes      | yes                       | with `Retry-After`    |
 * | other 5xx                              | yes      | no                        | no                    |
 * | 404, 405, 407, 413, 415, 421, 425, 431 | no       | no                        | yes                   |
 * | all others                             | no       | no                        | no                    |
 * @module
 */

/** Whether the same request may succeed later, without a change: it was throttled, or nobody was there. */
export function mayPass(statusOrCode: number | string): boolean {
  return /^(408|429|5..|network|timeout|session_failed)$/.test(`${statusOrCode}`);
}

/** Whether a token request is repeated. A status that few servers send (501, 507, 520) says less. */
export function isRepeated(status: number | undefined): boolean {
  return /^(408|429|50[0234])$/.test(`${status}`);
}

/** Whether a server says that it has not looked at the user name and password of a login. */
export function isNotJudged(status: number, headers: Headers): boolean {
  // Envoy also says 503 of a server that took the request and then closed, but without `Retry-After`.
  return /^(40[457]|41[35]|42[159]|431)$/.test(`${status}`) || (status === 503 && headers.has('retry-after'));
}

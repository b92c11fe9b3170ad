/**
 * The words in which the platform says that a session has ended.
 * @module
 */
import { asText } from '../core/token.ts';
import { readText } from '../platform/fetch.ts';
import { waitFor } from '../platform/waiting.ts';
import { parseBody } from '../token/answer.ts';

/**
 * The service before the first dot varies. Only the code is looked at: nothing in Connectivity's message can
 * be relied on.
 */
const CODE = /^[^.]*\.(REQUEST_FAILED\.SessionToken\.(Expired|Format)|INPUT_INVALID\.SessionToken\.Invalid)$/;
/** An answer is looked at for this long. One that stalls then goes to its caller anyway. */
const LOOK_MS = 5_000;

/** Whether an answer of an API says that the session has lapsed. The answer can still be read afterwards. */
export async function isLapse(response: Response): Promise<boolean> {
  const isCandidate = /^40[01].*json/i.test(`${response.status} ${response.headers.get('content-type')}`);
  // If the body breaks off or is aborted, this rejects, and so the call fails: platforms no longer let the
  // caller read the original then.
  return isCandidate && saysLapsed(await waitFor(readText(response.clone()), undefined, LOOK_MS));
}

/**
 * Whether a body says that the session has ended, in the words of Connectivity, Location or Cloud Connector.
 */
export function saysLapsed(text: string | undefined): boolean {
  const body = parseBody(text) ?? {};
  const says = (name: string, pattern: RegExp): boolean => pattern.test(asText(body[name]) ?? '');
  return (
    says('errorCode', CODE) ||
    (body['errorCode'] === 'INVALID_PARAMETER' && says('errorMessage', /UWS verification failure/)) ||
    says('message', /UWS verification failure/) ||
    (body['error'] === 'unauthorized' && says('error_description', /\bUWS\b/))
  );
}

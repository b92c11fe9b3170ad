// Most device calls answer with a requestId. The result comes later, as a POST to a URL that you register.
// Choose a user name and a password for CALLBACK_USERNAME and CALLBACK_PASSWORD: ThingSpace puts them into
// each callback's body, as plain text, and nothing else proves who sent it. So listen on https only.
import { createHash, timingSafeEqual } from 'node:crypto';

/** Once for each account and service: `register(authorizedFetch, '0000123456-00001', 'https://…')`. */
export async function register(authorizedFetch: typeof fetch, account: string, url: string): Promise<void> {
  const response = await authorizedFetch(
    `https://thingspace.verizon.com/api/m2m/v1/callbacks/${encodeURIComponent(account)}`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'CarrierService', url, ...expected() }),
    },
  );
  if (!response.ok) throw new Error(`The API answered ${response.status}: ${await response.text()}`);
}

/** The listener, for any server that takes a function from Request to Response. */
export async function answerCallback(
  request: Request,
  onResult: (requestId: string, result: Record<string, unknown>) => void,
): Promise<Response> {
  const body = (await request.json().catch(() => undefined)) as Record<string, unknown> | null | undefined;
  const { username, password, requestId, ...result } = body ?? {};
  const wanted = expected();
  // Both are compared, so that the time taken tells nothing about either.
  const [isUser, isPassword] = [isSame(username, wanted.username), isSame(password, wanted.password)];
  if (!isUser || !isPassword) return new Response(null, { status: 401 });
  if (typeof requestId !== 'string') return new Response(null, { status: 400 });
  onResult(requestId, result);
  return new Response(null, { status: 204 });
}

function expected(): { username: string; password: string } {
  const { CALLBACK_USERNAME: username, CALLBACK_PASSWORD: password } = process.env;
  if (!username || !password) throw new TypeError('Set CALLBACK_USERNAME and CALLBACK_PASSWORD.');
  return { username, password };
}

/** In constant time: hashes have the same length, whatever was sent. */
function isSame(given: unknown, wanted: string): boolean {
  return timingSafeEqual(hash(String(given)), hash(wanted)) && typeof given === 'string';
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * Retries of requests to the token endpoint, and the waits between them. Logins and API calls never come
 * here.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import { type ApiError, isApiError } from '../core/errors.ts';
import { describeFailure, report } from '../core/events.ts';
import { isRepeated } from '../core/statuses.ts';
import { sleep } from '../platform/waiting.ts';

/**
 * Runs `attempt` until it succeeds, fails in a way that stays, or has been tried `attempts` times. A wait has
 * full jitter, or is what `Retry-After` says. A `Retry-After` beyond `maxDelay` ends the tries. Rejects with
 * the last error, or the signal's reason.
 */
export async function withRetries<T>(
  settings: Settings,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  const { attempts = 3, baseDelay = 500, maxDelay = 5_000 } = settings.retry;
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const delayMs = retryAfterMs(error) ?? Math.random() * Math.min(maxDelay, baseDelay * 2 ** (tries - 1));
      if (tries >= attempts || delayMs > maxDelay || !(isApiError(error) && isPassing(error))) throw error;
      report(settings, {
        type: 'retry_waiting',
        attempt: tries,
        delayMs: Math.round(delayMs),
        ...describeFailure(error),
      });
      await sleep(delayMs, signal);
    }
  }
}

/**
 * Whether an error may pass. Network errors, overload and answers that were cut off may. A time-out has cost
 * enough time already, and a refusal would only be repeated.
 */
function isPassing({ code, statusCode, cause, isTemporary }: ApiError): boolean {
  if (code === 'network') return isTemporary;
  return cause instanceof SyntaxError || isRepeated(statusCode);
}

/**
 * The milliseconds that an answer asks to wait (RFC 9110 section 10.2.3). `undefined` if it asks for nothing,
 * or for nothing sensible.
 */
export function retryAfterMs(error: unknown): number | undefined {
  const headers = isApiError(error) ? error.headers : undefined;
  // better-auth sends the second of these headers.
  const value = headers?.get('retry-after') ?? headers?.get('x-retry-after') ?? '';
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return delayMs >= 0 ? delayMs : undefined;
}

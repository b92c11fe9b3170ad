/**
 * When and how long the token endpoint is waited for. A login and an API call never come here.
 * @module
 */
import type { Settings } from '../config/settings.ts';
import { ApiError } from '../platform/errors.ts';
import { describeFailure, report } from '../platform/events.ts';
import { isDenied } from '../platform/transport.ts';
import { sleep } from '../platform/waiting.ts';

/**
 * Runs `attempt` until it succeeds, fails for good, or has been tried `attempts` times. Waits with full jitter;
 * a `Retry-After` wins, and one beyond `maxDelay` ends the tries. Rejects with the last error, or the signal's reason.
 */
export async function withRetries<T>(settings: Settings, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const delayMs = retryAfterMs(error) ?? Math.random() * Math.min(settings.maxDelay, settings.baseDelay * 2 ** (tries - 1));
      if (tries >= settings.attempts || delayMs > settings.maxDelay || !(error instanceof ApiError && isPassing(error))) throw error;
      report(settings, { type: 'retry_waiting', attempt: tries, delayMs: Math.round(delayMs), ...describeFailure(error) });
      await sleep(delayMs, signal);
    }
  }
}

/** Network errors, overload, and answers cut off pass; a time-out has cost enough already, and a refusal stays one. */
function isPassing({ code, statusCode, cause }: ApiError): boolean {
  if (code === 'network') return !isDenied(cause);
  return cause instanceof SyntaxError || /^(408|429|50[0234])$/.test(`${statusCode}`);
}

/** The milliseconds that an answer asks to wait (RFC 9110 section 10.2.3), at most 300 s; `undefined` where it asks for nothing sensible. */
export function retryAfterMs(error: unknown): number | undefined {
  const headers = error instanceof ApiError ? error.headers : undefined;
  // better-auth sends the second one.
  const value = headers?.get('retry-after') ?? headers?.get('x-retry-after') ?? '';
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return delayMs >= 0 ? Math.min(delayMs, 300_000) : undefined;
}

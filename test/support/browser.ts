/** A stand-in for the `fetch` of a browser, which does not say where a redirect leads. */
import type { Fetch } from 'thingspace-auth';

/** Answers as browsers do: `manual` shows nothing of a redirect, `follow` its end. */
export function browser(url = 'https://api.example.com/end', status = 200): { fetch: Fetch; sent: string[] } {
  const sent: string[] = [];
  const fetch: Fetch = async (input, init) => {
    const { method, redirect, headers } = new Request(input, init);
    sent.push(`${method} ${redirect} ${headers.get('authorization')}`);
    if (redirect === 'follow') return answerOf({ url, redirected: true, status });
    return answerOf({ url: 'https://api.example.com/', type: 'opaqueredirect', status: 0 });
  };
  return { fetch, sent };
}

function answerOf(shown: Readonly<Record<string, unknown>>): Response {
  const properties = Object.entries(shown).map(([name, value]) => [name, { value }] as const);
  return Object.defineProperties(new Response(null), {
    ok: { value: shown.status === 200 },
    ...Object.fromEntries(properties),
  });
}

/**
 * No error shows a secret: servers repeat what they were sent, so whatever a request carried as a secret is masked in every
 * text that comes back.
 * @module
 */
import type { Settings } from '../config/settings.ts';

/** Fields and headers that say nothing secret, whoever wrote them. */
const PUBLIC = /^(client_id|client_assertion_type|accept|content-type)$/;

/**
 * What a request carries as secrets: the client secret, and every field and header that is not among `fields`, since the
 * client's authentication has written it.
 */
export function secretsOf(
  { clientSecret }: Settings,
  form: URLSearchParams,
  headers: Headers,
  fields: Readonly<Record<string, unknown>>,
): readonly string[] {
  const written = [...form, ...headers].filter(([name]) => !PUBLIC.test(name) && !Object.hasOwn(fields, name));
  // A header's scheme is no secret, and a server may repeat what follows it alone.
  return [clientSecret ?? '', ...written.flatMap(([, value]) => [value, value.slice(value.indexOf(' ') + 1)])];
}

/** The text with each secret masked, also where it stands there form-encoded. */
export function mask(text: string, secrets: readonly string[]): string {
  const encoded = secrets.flatMap((secret) => {
    const form = `${new URLSearchParams({ '': secret })}`.slice(1);
    return [secret, form, form.replaceAll('+', '%20')];
  });
  // Long ones first, since a short one may be a part of them.
  const all = encoded.filter(Boolean).sort((one, other) => other.length - one.length);
  return all.reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
}

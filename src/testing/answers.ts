/**
 * The answers of the mock server, in the words of the servers it stands for.
 * @module
 */

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });
}

/** RFC 6749 section 5.2. */
export function oauthError(status: number, error: string, description: string): Response {
  const challenge = status === 401 ? { 'www-authenticate': 'Basic realm="mock"' } : {};
  return json(status, { error, error_description: description }, challenge);
}

/** The gateway's own errors: a fault without `WWW-Authenticate`, or, from status 500 on, a page. */
export function gatewayAnswer(status: number): Response {
  if (status < 400) return new Response(null, { status });
  if (status === 401) return fault(401, '900901', 'Invalid Credentials');
  if (status === 429) return fault(429, '900800', 'Message throttled out');
  if (status < 500) return fault(status, '900906', 'No matching resource found');
  const page = `<html><head><title>${status}</title></head><body><h1>${status}</h1></body></html>`;
  return new Response(page, { status, headers: { 'content-type': 'text/html' } });
}

export function missingCredentials(): Response {
  return fault(401, '900902', 'Missing Credentials');
}

function fault(status: number, code: string, message: string): Response {
  return json(status, { fault: { code, message, description: `${message}, says an invented gateway.` } });
}

/** An error of the M2M APIs. */
export function connectivityError(status: number, code: string, errorMessage: string): Response {
  return json(status, { errorCode: `UnifiedWebService.${code}`, errorMessage });
}

/**
 * Each API has its own words for a session that has ended. Which status Cloud Connector sends is not
 * documented; 401 is the harder case for a client. The words of those not named here are not documented
 * either.
 */
export function sessionEnded(api: string): Response {
  const message = 'UWS verification failure (The Session has expired.)';
  const description = 'Failure response received for UWS V1 REST accounts: [400]';
  if (api === 'loc') return json(400, { errorCode: 'INVALID_PARAMETER', errorMessage: message });
  if (api === 'cc') return json(401, { error: 'unauthorized', error_description: description });
  return connectivityError(400, 'REQUEST_FAILED.SessionToken.Expired', 'The session token has expired.');
}

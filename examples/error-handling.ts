// Error handling: try again later if the failure is temporary; otherwise the code says what to do. A wrong
// call (a bad option, a foreign origin) is a TypeError: fix the program.
import { type AnyApiError, ApiError, configFromEnvironment, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient({ ...configFromEnvironment(), timeout: 10_000 });

try {
  const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  // As with fetch, a status is not an error. 401 here: the API refused a token that had just been granted.
  console.log(response.ok ? await response.json() : `the API answered ${response.status}`);
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  console.error(`${explain(error as AnyApiError)} [${error.message}]`);
  process.exitCode = 1;
}

function explain(error: AnyApiError): string {
  if (error.isTemporary) return 'The service is unavailable or throttles: try again later.';
  switch (error.code) {
    case 'oauth_error':
      return error.error === 'invalid_scope'
        ? 'This key may not have one of the scopes.'
        : 'Check key and secret.';
    case 'no_credentials':
      return 'Set THINGSPACE_CLIENT_SECRET.';
    case 'session_refused':
      return (
        'Check user name and password of the M2M login. ' +
        'Do not repeat it: five failures lock the account.'
      );
    case 'gateway_fault':
    case 'invalid_response':
    case 'response_too_large':
      return (
        `Something other than the token endpoint answered (status ${error.statusCode}): ` +
        'a proxy, or a wrong tokenUrl.'
      );
    case 'network':
    case 'timeout':
    case 'session_failed':
      return 'Read the message: it says what stands in the way.';
  }
}

// The bench's own wrapper for libraries that hand out tokens and keep none. It remembers the promise, and not
// only the token, so that all who wait share one token request; forget it when it fails.
export function sharedToken(fetchToken, isUsable) {
  let token;
  let flight;
  return async () => {
    if (token && isUsable(token)) return token;
    flight ??= fetchToken().finally(() => (flight = undefined));
    token = await flight;
    return token;
  };
}

// What is written by hand around a library that hands out tokens and keeps none: a variable, and 30 s to spare.
export function variableCache(fetchToken) {
  let token;
  let endsAt = 0;
  return async function accessToken() {
    if (Date.now() >= endsAt) {
      const { access_token, expires_in } = await fetchToken();
      token = access_token;
      endsAt = Date.now() + (expires_in - 30) * 1000;
    }
    return token;
  };
}

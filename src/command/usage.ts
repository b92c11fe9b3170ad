/**
 * The text of `--help`.
 * @module
 */
export const USAGE = `Usage:
  thingspace-auth token [--store FOLDER] [--env FILE] [--json]
      Prints an access token and nothing else:
      curl -H "Authorization: Bearer $(npx thingspace-auth token)" \\
        https://5gedge.verizon.com/api/mec/eds/regions
      --store  Keeps the token in a folder, and gets another one only when it is needed.
               Programs that use storedToken(fileStore(folder)) share it.
      --json   Prints the whole token: { accessToken, tokenType, expiresIn, expiry, scope }.

  thingspace-auth session --store FOLDER [--reset | --logout] [--env FILE] [--json]
      Prints an M2M session token (THINGSPACE_USERNAME, THINGSPACE_PASSWORD) and nothing else:
      curl -H "VZ-M2M-Token: $(npx thingspace-auth session --store FOLDER)" …
      It logs in at most once, and only if the folder keeps no session.
      --reset   Allows one more login after a refusal. Five in a row lock the account.
      --logout  Ends the session that is kept.

  thingspace-auth check [URL] [--login] [--env FILE] [--json]
      Says step by step what works: the variables, the token endpoint, this machine's clock,
      the token. With a URL, it also makes one authorized GET.
      --login  Also logs in to the M2M session, once, with THINGSPACE_USERNAME and
               THINGSPACE_PASSWORD. A failed login counts: five in a row lock the account.
      --json   Prints one object: { ok, steps: [{ name, ok, … }], error? }.

  thingspace-auth mock [--port N]
      Serves a mock ThingSpace on this machine until you press Ctrl-C. It prints the variables
      that lead to it, then a line for each request. Without --port it takes any free port.

  --env FILE   Reads variables from a file with lines NAME=value. Variables that are set win.
  --help       Prints this. --version prints the version.

Variables: THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_SCOPES (separated by
spaces), THINGSPACE_M2M_TOKEN, THINGSPACE_TIMEOUT (milliseconds), and THINGSPACE_ENVIRONMENT
(Production, Staging, …) or, for another server, THINGSPACE_TOKEN_URL and
THINGSPACE_API_ORIGINS (separated by spaces), and THINGSPACE_SESSION_URL if the M2M session
lives elsewhere. THINGSPACE_CLIENT_AUTHENTICATION is basic, basic-raw or post;
THINGSPACE_TOKEN_PARAMS are further form fields: audience=…&resource=….

Exit status: 0; 1 if something does not work; 2 if the command line is wrong.
`;

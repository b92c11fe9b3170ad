/**
 * The texts of `--help`: for each command one, and what several have in common.
 * @module
 */
import type { Command } from './commandLine.ts';

/** The help for one command, or for all. */
export function usageOf(command: Command | undefined): string {
  const blocks = command ? [USAGES[command]] : Object.values(USAGES);
  const variables = command === 'mock' ? [] : [VARIABLES];
  return `Usage:\n${[...blocks, optionsOf(command), ...variables, EXIT_STATUS].join('\n\n')}\n`;
}

const USAGES: Readonly<Record<Command, string>> = {
  token: `\
  thingspace-auth token [--store FOLDER] [--env FILE] [--json]
      Prints an access token and nothing else:
      curl -H "Authorization: Bearer $(npx thingspace-auth token)" \\
        https://5gedge.verizon.com/api/mec/eds/regions
      --store  Keeps the token in a folder, and gets another one only when it is needed.
               Programs that use storedToken(fileStore(folder)) share it.
      --json   Prints the whole token, with its end as a date beside it:
               { accessToken, tokenType, expiresIn, expiry, scope, expires }.`,
  session: `\
  thingspace-auth session --store FOLDER [--reset | --logout] [--env FILE] [--json]
      Prints an M2M session token (THINGSPACE_USERNAME, THINGSPACE_PASSWORD) and nothing else:
      curl -H "VZ-M2M-Token: $(npx thingspace-auth session --store FOLDER)" …
      It logs in at most once, and only if the folder keeps no session.
      --reset   Allows one more login after a refusal. Five in a row lock the account.
      --logout  Ends the session that is kept.`,
  check: `\
  thingspace-auth check [-X METHOD] [-d DATA] [URL] [--login] [--env FILE] [--json]
      Says step by step what works: the variables, the token endpoint, this machine's clock,
      the token. With a URL, it also makes one authorized call: a GET, or what -X and -d say.
      -X, --method  The method of the call; POST if there is a body.
      -d, --data    Its body, for example '{"accountName":"…"}', or @ and the path of a file.
      --login       Also logs in to the M2M session, once, with THINGSPACE_USERNAME and
                    THINGSPACE_PASSWORD. A failed login counts: five in a row lock the account.
      --json        Prints one object: { ok, steps: [{ name, ok, … }], error? }.`,
  mock: `\
  thingspace-auth mock [--port N]
      Serves a mock ThingSpace on this machine until you press Ctrl-C. It prints the variables
      that lead to it, then a line for each request. Without --port it takes any free port.`,
};

function optionsOf(command: Command | undefined): string {
  if (!command) return `${ENV_FILE}\n${HELP_ON_ALL}`;
  return command === 'mock' ? HELP_ON_ONE : `${ENV_FILE}\n${HELP_ON_ONE}`;
}

const ENV_FILE =
  '  --env FILE   Reads variables from a file with lines NAME=value. Variables that are set win.';

const HELP_ON_ONE = '  --help       Prints this. Without a command, it prints the help for all.';

const HELP_ON_ALL = `\
  --help       Prints this. With a command, it prints the help for that one: token --help.
  --version    Prints the version.`;

const VARIABLES = `\
Variables: THINGSPACE_CLIENT_ID, THINGSPACE_CLIENT_SECRET, THINGSPACE_SCOPES (separated by
spaces), THINGSPACE_M2M_TOKEN, THINGSPACE_TIMEOUT (milliseconds), and THINGSPACE_ENVIRONMENT
(Production, Staging, …) or, for another server, THINGSPACE_TOKEN_URL and
THINGSPACE_API_ORIGINS (separated by spaces), and THINGSPACE_SESSION_URL if the M2M session
lives elsewhere. THINGSPACE_CLIENT_AUTHENTICATION is basic, basic-raw or post;
THINGSPACE_TOKEN_PARAMS are further form fields: audience=…&resource=….`;

const EXIT_STATUS = 'Exit status: 0; 1 if something does not work; 2 if the command line is wrong.';

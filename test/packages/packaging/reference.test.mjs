// The reference is complete: what typedoc makes of the public entries says of each name what a caller needs
// to know.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Application } from 'typedoc';

const read = (path) => readFileSync(join(import.meta.dirname, path), 'utf8');
const { project, warnings } = await readSources();
// An entry imported for its effect has none. What the browser entry passes on is told of the main one.
const exported = project.children
  .flatMap(({ children = [] }) => children)
  .filter(({ variant }) => variant !== 'reference');
const names = exported.flatMap((reflection) => [...withMembers(reflection, reflection.name)]);

async function readSources() {
  const warnings = [];
  const app = await Application.bootstrapWithPlugins({ options: join(import.meta.dirname, 'typedoc.json') });
  app.logger.log = (message, level) => level > 1 && warnings.push(message);
  const project = await app.convert();
  app.validate(project);
  return { project, warnings };
}

/** A public name and the names inside it. What a class inherits is told where it comes from. */
function* withMembers(reflection, path) {
  const { declaration } = reflection.type ?? {};
  const signatures = reflection.signatures ?? declaration?.signatures ?? [];
  const parameters = signatures.flatMap((signature) => signature.parameters ?? []);
  const accessors = [reflection.getSignature ?? []].flat();
  const comments = [reflection, ...accessors, ...signatures, ...parameters].flatMap(
    ({ comment }) => comment ?? [],
  );
  const text = comments
    .map(
      ({ summary, blockTags }) =>
        toText(summary) + blockTags.map(({ tag, content }) => `\n${tag} ${toText(content)}`).join(''),
    )
    .join('');
  yield { path, reflection, signatures, text };
  // A platform's own interface, of which we name what we use.
  if (/^The part of /.test(text)) return;
  const members = reflection.children ?? declaration?.children ?? [];
  for (const member of members) {
    if (member.name !== 'constructor' && !member.inheritedFrom)
      yield* withMembers(member, `${path}.${member.name}`);
  }
}

function toText(parts) {
  return parts.map(({ text }) => text).join('');
}

/** Each check takes names and returns the paths of those that do not pass. */
const checks = {
  'has a docstring': (list) => list.filter(({ text }) => text.length < 10),
  'has a unit where it is a number': (list) => list.filter(isWithoutUnit),
  'says what zero means where it is an option that is a number': (list) =>
    list.filter(
      ({ path, reflection, text }) =>
        /Options\.|Credentials\./.test(path) &&
        isNumber(reflection.type) &&
        !/`0`|\b0\b|1 or more/.test(text),
    ),
  'says what absence means where it is optional': (list) =>
    list.filter(
      ({ reflection, text }) =>
        reflection.flags.isOptional &&
        !/\babsent|default|where (there|it)\b|for an OAuthProviderError/i.test(text),
    ),
  'tells its errors where it is a function': (list) =>
    list.filter(
      ({ path, signatures, text }) =>
        signatures.length && !CANNOT_FAIL.has(path) && !/@throws|reject|throw/i.test(text),
    ),
  'says whether it touches the network where it is a function': (list) =>
    list.filter(
      ({ path, signatures, text }) =>
        signatures.length && !HAS_NO_NETWORK.has(path) && !/\bnetwork\b|\brequests?\b/i.test(text),
    ),
  'names its source where a standard or the vendor decides': (list) =>
    list.filter(({ path, text }) => SOURCES[path] && !SOURCES[path].test(text)),
};

const UNIT = /seconds?\b|HTTP status|\brequests\b|`count`/i;

function isWithoutUnit({ path, reflection, signatures, text }) {
  const isCounted = isNumber(reflection.type) && !/(Ms|Seconds)$/.test(path) && !UNIT.test(text);
  const parameters = signatures
    .flatMap(({ parameters = [] }) => parameters)
    .filter(({ type }) => isNumber(type));
  return isCounted || parameters.some(({ name }) => !/(Ms|Seconds|^seconds)$/.test(name) && !UNIT.test(text));
}

function isNumber(type) {
  return type?.name === 'number' || !!type?.types?.some(isNumber);
}

/** What throws nothing, whatever it is given, or is the caller's own to fail. */
const CANNOT_FAIL = new Set([
  'ClientOptions.onEvent', // what it throws is told there, as ignored
  'isExpired',
  'Report',
  'ProviderContext.report',
  'Session.reset',
  'Session.current',
  'MockServer.advance',
  'MockServer.failNext',
  'MockServer.lapseSessions',
  'MockServer.revokeAll',
  'MockServerOptions.tokenResponse',
  'MockServerOptions.identifyClient',
  'createMockServer',
  'TokenStoreObject.alarm',
  'TokenStoreObject.fetch',
  'clientSecretBasic',
  'clientSecretBasicRaw',
  'clientSecretPost',
  'noClientAuthentication',
]);

/** The caller's own functions, those that a platform calls, and the switches of the mock. */
const HAS_NO_NETWORK = new Set([
  'ClientCredentials.oauthOnTokenUpdate',
  'ClientOptions.onEvent',
  'Fetch',
  'MockServer.advance',
  'MockServer.lapseSessions',
  'MockServerOptions.tokenResponse',
  'OAuthTokenProvider',
  'Report',
  'Signer',
  'TokenStore.delete',
  'TokenStore.get',
  'TokenStore.set',
  'TokenStoreObject.alarm',
  'TokenStoreObject.fetch',
]);

const RFC = /RFC\s+\d{4}\s+(section\s+\d|appendix\s+[A-Z])/;
const LINK = /https:\/\/\S+/;
const SOURCES = {
  'Client.fetchToken': RFC,
  'Client.authorizedFetch': RFC,
  revokeToken: RFC,
  clientSecretBasic: RFC,
  clientSecretBasicRaw: RFC,
  clientSecretPost: RFC,
  noClientAuthentication: RFC,
  'ClientCredentials.oauthClientId': RFC,
  'ClientCredentials.oauthClientSecret': RFC,
  'ClientCredentials.oauthScopes': RFC,
  'ClientCredentials.oauthParams': RFC,
  'ClientCredentials.clientAuthentication': RFC,
  'ClientOptions.vZM2mToken': LINK,
  'CustomEnvironment.tokenUrl': RFC,
  'CustomEnvironment.revocationUrl': RFC,
  OAuthToken: RFC,
  'OAuthToken.tokenType': RFC,
  'OAuthToken.expiresIn': RFC,
  'OAuthToken.scope': RFC,
  'OAuthToken.refreshToken': RFC,
  OAuthProviderError: RFC,
  'OAuthProviderError.error': RFC,
  'OAuthProviderError.errorDescription': RFC,
  'OAuthProviderError.errorUri': RFC,
  OauthScopeEnum: LINK,
  Environment: LINK,
  createSession: LINK,
  encryptedStore: LINK,
  createMockServer: /@see https:/,
  clientSecretJwt: RFC,
  privateKeyJwt: RFC,
  importKey: RFC,
  SigningAlgorithm: RFC,
  'JwtOptions.audience': RFC,
  'PrivateKeyJwtOptions.keyId': RFC,
  'SignerJwtOptions.key': RFC,
  createDpop: RFC,
  'Dpop.createProof': RFC,
  'Dpop.noteNonce': RFC,
  'Dpop.getThumbprint': RFC,
  discover: RFC,
};

for (const [sentence, check] of Object.entries(checks)) {
  test(`every public name ${sentence}`, () => {
    assert.deepEqual(
      check(names).map(({ path }) => path),
      [],
    );
  });

  test(`a public name is found when it no longer ${sentence}`, () => {
    const emptied = names.map((name) => ({ ...name, text: '' }));
    assert.ok(check(emptied).length > 5);
  });
}

test('the lists of this test name what there is', () => {
  const paths = names.map(({ path }) => path);

  for (const path of [...CANNOT_FAIL, ...HAS_NO_NETWORK, ...Object.keys(SOURCES)])
    assert.ok(paths.includes(path), path);
});

test('every entry of the package is read, and typedoc warns of nothing: no broken link, no type that is missing', () => {
  const { exports } = JSON.parse(read('../../../package.json'));
  const sources = Object.values(exports).map(({ types }) =>
    types.replace('./dist/', '../../../src/').replace('.d.ts', '.ts'),
  );

  assert.deepEqual(JSON.parse(read('typedoc.json')).entryPoints, sources);
  assert.deepEqual(warnings, []);
});

test('every error code and every event type is told', () => {
  const { text, reflection } = find('ApiErrorCode');
  const codes = reflection.type.types.map(({ value }) => value);
  assert.ok(codes.length > 5);
  for (const code of codes) assert.match(text, new RegExp(`^- \`${code}\`: .{10,}`, 'm'));

  const { types, elementSummaries } = find('ClientEvent').reflection.type;
  assert.equal(types.length, elementSummaries?.length);
  for (const [index, { declaration }] of types.entries()) {
    const summary = toText(elementSummaries[index]);
    assert.ok(summary.length > 10, `event ${index}`);
    const numbers = declaration.children.filter(({ type }) => isNumber(type)).map(({ name }) => name);
    for (const name of numbers)
      assert.ok(/(Ms|statusCode)$/.test(name) || summary.includes(`\`${name}\``), name);
  }
});

function find(path) {
  return names.find((name) => name.path === path);
}

// Runs examples/grpc.ts with the real library against a real gRPC server behind TLS.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { createMockServer } from 'thingspace-auth/testing';
import { inventAuthority } from './certificates.mjs';
import { runRecipe, startStandIn } from './programs.mjs';

test('a gRPC call carries the token as metadata', async (t) => {
  const mock = createMockServer();
  const seen = [];
  const address = await startServer(t, ({ request, metadata }, done) => {
    seen.push(`${request} ${metadata.get('authorization')}`);
    done(null, '42');
  });

  const outcome = await runRecipe('grpc', { ...(await startStandIn(t, mock.fetch)), ...address });

  assert.deepEqual(outcome, { stdout: '42\n', stderr: '', exitCode: 0 });
  assert.equal(seen.length, 1);
  assert.match(seen[0], /^open Bearer mock-access-token-\w+-1$/);
});

test('a missing token fails the call, and nothing reaches the server', async (t) => {
  const seen = [];
  const address = await startServer(t, (_call, done) => done(seen.push('called') && null, ''));
  const standIn = await startStandIn(t, createMockServer({ clients: {} }).fetch);

  const { stdout, exitCode } = await runRecipe('grpc', { ...standIn, ...address });

  assert.match(stdout, /Getting metadata from plugin failed with error: .* invalid_client/);
  assert.deepEqual([seen, exitCode], [[], 0]);
});

/** Serves the recipe's one method; gives the variables that lead a client there. */
async function startServer(t, count) {
  const { ca, certify } = await inventAuthority();
  const { key, cert } = await certify('localhost');
  const folder = mkdtempSync(join(import.meta.dirname, '.build/grpc-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'ca.pem'), ca.cert);
  const [toBytes, fromBytes] = [(text) => Buffer.from(text), (bytes) => bytes.toString()];
  const server = new Server();
  const method = {
    path: '/orders.Orders/Count',
    requestStream: false,
    responseStream: false,
    requestSerialize: toBytes,
    requestDeserialize: fromBytes,
    responseSerialize: toBytes,
    responseDeserialize: fromBytes,
  };
  server.addService({ count: method }, { count });
  const keys = ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) },
  ]);
  const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', keys);
  t.after(() => server.forceShutdown());
  return {
    GRPC_ADDRESS: `localhost:${port}`,
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: join(folder, 'ca.pem'),
  };
}

// An MCP client whose token is revoked: what 20 tool calls at once then ask of the authorization server. Both
// rows use the SDK's own client and transport, against a real MCP server in this process.
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import * as http from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { createClient } from 'thingspace-auth';

const CALLS = 20;
const ISSUER = 'https://auth.invented.example';
const RESOURCE = 'https://mcp.invented.example/mcp';
const METADATA = {
  '/.well-known/oauth-protected-resource/mcp': { resource: RESOURCE, authorization_servers: [ISSUER] },
  '/.well-known/oauth-authorization-server': {
    issuer: ISSUER,
    authorization_endpoint: `${ISSUER}/authorize`,
    token_endpoint: `${ISSUER}/token`,
    response_types_supported: ['code'],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
  },
};

/** By row, without its version: how the transport is given its credentials. */
const ROWS = {
  'thingspace-auth': (fetch) => {
    const { authorizedFetch } = createClient({
      clientCredentialsAuthCredentials: {
        oauthClientId: 'invented-id',
        oauthClientSecret: 'invented-secret',
        oauthParams: { resource: RESOURCE },
      },
      environment: { tokenUrl: `${ISSUER}/token`, apiOrigins: [new URL(RESOURCE).origin] },
      fetch,
    });
    return { fetch: authorizedFetch };
  },
  '@modelcontextprotocol/sdk': (fetch) => {
    const authProvider = new ClientCredentialsProvider({
      clientId: 'invented-id',
      clientSecret: 'invented-secret',
      expectedIssuer: ISSUER,
    });
    return { authProvider, fetch };
  },
};

/** Counts for each row what is asked from the start on, and after the revocation. */
export async function mcp() {
  const all = {};
  for (const [name, connect] of Object.entries(ROWS)) all[name] = await countRow(connect);
  return all;
}

async function countRow(connect) {
  const service = createMcpService();
  const client = new Client({ name: 'invented', version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(RESOURCE), connect(service.fetch)));
  const start = { ...service.counts };
  service.revoke();
  const calls = Array.from({ length: CALLS }, () => client.callTool({ name: 'invented' }));
  const answers = await Promise.allSettled(calls);
  await client.close();
  const { tokenRequests, metadataRequests } = service.counts;
  return {
    start,
    tokenRequests: tokenRequests - start.tokenRequests,
    metadataRequests: metadataRequests - start.metadataRequests,
    answered: answers.filter(({ status }) => status === 'fulfilled').length,
  };
}

/** Server and API as one `fetch`; tokens that were granted before `revoke` are no longer taken. */
function createMcpService() {
  const counts = { tokenRequests: 0, metadataRequests: 0 };
  let valid = new Set();
  return { counts, revoke: () => (valid = new Set()), fetch: answer };

  async function answer(input, init) {
    // As a server does, it answers later.
    await new Promise(setImmediate);
    const request = new Request(input, init);
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/.well-known/')) {
      counts.metadataRequests++;
      const found = METADATA[pathname];
      return found ? Response.json(found) : new Response(null, { status: 404 });
    }
    if (pathname === '/token') {
      const access_token = `invented-${++counts.tokenRequests}`;
      valid.add(`Bearer ${access_token}`);
      return Response.json({ access_token, token_type: 'Bearer', expires_in: 3600 });
    }
    if (!valid.has(request.headers.get('authorization'))) return new Response(null, { status: 401 });
    return request.method === 'POST' ? serve(request) : new Response(null, { status: 405 });
  }
}

async function serve(request) {
  const transport = new http.WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  const server = new McpServer({ name: 'invented', version: '1.0.0' });
  server.registerTool('invented', {}, () => ({ content: [] }));
  await server.connect(transport);
  return transport.handleRequest(request);
}

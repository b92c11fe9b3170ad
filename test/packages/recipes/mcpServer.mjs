// A real MCP server with one tool, behind the mock's tokens, and the metadata that the MCP SDK looks for.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import * as http from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';

const ISSUER = 'https://auth.example.com';
const RESOURCE = 'https://mcp.example.com/mcp';
const METADATA = {
  [`${ISSUER}/.well-known/oauth-authorization-server`]: {
    issuer: ISSUER,
    authorization_endpoint: `${ISSUER}/oauth2/authorize`,
    token_endpoint: `${ISSUER}/oauth2/token`,
    response_types_supported: ['code'],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  },
  'https://mcp.example.com/.well-known/oauth-protected-resource/mcp': {
    resource: RESOURCE,
    authorization_servers: [ISSUER],
  },
};

/** Answers for the MCP server, the authorization server and an API; `metadata` counts what is asked of it. */
export function serveMcp(mock) {
  const metadata = [];
  return { metadata, answer };

  async function answer(request) {
    const { href, pathname } = new URL(request.url);
    if (pathname.includes('/.well-known/')) {
      metadata.push(href);
      const found = METADATA[href.replace('openid-configuration', 'oauth-authorization-server')];
      return found ? Response.json(found) : new Response(null, { status: 404 });
    }
    const judged = await mock.fetch(request.clone());
    if (href !== RESOURCE || !judged.ok) return judged;
    // Without a session each request has a server of its own.
    const transport = new http.WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
    const server = new McpServer({ name: 'invented', version: '1.0.0' });
    server.registerTool('count-orders', {}, () => ({ content: [{ type: 'text', text: '42' }] }));
    await server.connect(transport);
    return request.method === 'POST' ? transport.handleRequest(request) : new Response(null, { status: 405 });
  }
}

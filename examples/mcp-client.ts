// Calls a tool of a remote MCP server (Model Context Protocol) as a machine, with the SDK's own transport: a
// token is renewed and the call sent again, without the SDK's provider, which asks for metadata each time.
//   npm install thingspace-auth @modelcontextprotocol/sdk
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { createClient } from 'thingspace-auth';

const url = new URL('https://mcp.example.com/mcp');
const { authorizedFetch } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-agent',
    oauthClientSecret: process.env.CLIENT_SECRET,
    oauthScopes: ['tools:call'],
    oauthParams: { resource: url.href }, // MCP has each token say which server it is for
  },
  environment: { tokenUrl: 'https://auth.example.com/oauth2/token', apiOrigins: [url.origin] },
});

const client = new Client({ name: 'my-agent', version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(url, { fetch: authorizedFetch }));
const { content } = await client.callTool({ name: 'count-orders' });
console.log(content);
await client.close();

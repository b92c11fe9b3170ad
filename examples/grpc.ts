// gRPC, which does not take a `fetch`: a valid token with each call, as metadata. After UNAUTHENTICATED, call
// `fetchToken` once, then try again.
//   npm install thingspace-auth @grpc/grpc-js
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { createClient } from 'thingspace-auth';

const { getToken } = createClient({
  clientCredentialsAuthCredentials: {
    oauthClientId: 'my-service',
    oauthClientSecret: process.env.CLIENT_SECRET,
    oauthScopes: ['orders:read'],
  },
  // No origin: these tokens go to no `fetch`.
  environment: { tokenUrl: 'https://auth.example.com/oauth2/token', apiOrigins: [] },
});

const withToken = credentials.createFromMetadataGenerator((_options, done) => {
  getToken().then(({ tokenType, accessToken }) => {
    const metadata = new Metadata();
    metadata.set('authorization', `${tokenType} ${accessToken}`);
    done(null, metadata);
  }, done);
});

// gRPC sends such metadata over TLS only. A client that protoc has generated takes the same credentials.
const channel = credentials.combineChannelCredentials(credentials.createSsl(), withToken);
const client = new Client(process.env.GRPC_ADDRESS ?? 'api.example.com:443', channel);
const [toBytes, fromBytes] = [(text: string) => Buffer.from(text), (bytes: Buffer) => bytes.toString()];
client.makeUnaryRequest('/orders.Orders/Count', toBytes, fromBytes, 'open', (error, answer) => {
  console.log(error?.message ?? answer);
  client.close();
});

// Express 5: routes that call the API. One client for the life of the server; what a route throws goes to the
// error handler.
//   npm install thingspace-auth express
import express, { type NextFunction, type Request, type Response } from 'express';
import { ApiError, configFromEnvironment, createClient } from 'thingspace-auth';

const { authorizedFetch } = createClient({ ...configFromEnvironment(), timeout: 10_000 });
const app = express();

app.get('/regions', async (_request: Request, response: Response) => {
  const answer = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
  response.status(answer.status).json(await answer.json());
});

app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
  console.error(error); // holds no secret
  response.status(502).json({ error: error instanceof ApiError ? error.code : 'other' });
});

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () =>
  console.log('Listening on', server.address()),
);

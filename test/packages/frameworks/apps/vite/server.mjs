import { createServer } from 'node:http';
import { callThreeTimes } from '../call.mjs';

createServer(async (_, response) => response.end(await callThreeTimes())).listen(
  Number(process.env.PORT),
  '127.0.0.1',
);

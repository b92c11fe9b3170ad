import { callThreeTimes } from '../../../call.mjs';

export async function GET() {
  return new Response(await callThreeTimes());
}

import { callThreeTimes } from '../../../call.mjs';

export const dynamic = 'force-dynamic';

export async function GET() {
  return new Response(await callThreeTimes());
}

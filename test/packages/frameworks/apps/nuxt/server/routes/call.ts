import { callThreeTimes } from '../../../call.mjs';

export default defineEventHandler(() => callThreeTimes());

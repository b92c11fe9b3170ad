import { defineHandler } from 'nitro/h3';
import { callThreeTimes } from '../../call.mjs';

export default defineHandler(() => callThreeTimes());

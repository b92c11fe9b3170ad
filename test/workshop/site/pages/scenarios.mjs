/** By recipe: the scenario of the playground that shows its flow. */
export const SCENARIOS = {
  'examples/stored-token.ts': 'fleet',
  'examples/express.ts': 'stampede',
  'examples/console-events.ts': 'revoked',
  'examples/upload.ts': 'revoked',
  'examples/error-handling.ts': 'outage',
  'examples/m2m-devices.ts': 'latch',
  'examples/graceful-shutdown.ts': 'lapse',
};

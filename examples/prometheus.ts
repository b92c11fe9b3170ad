// Events as Prometheus metrics, by prom-client: serve `register.metrics()` at /metrics.
//   npm install thingspace-auth prom-client
import { Counter, Histogram, register } from 'prom-client';
import { type ClientEvent, configFromEnvironment, createClient } from 'thingspace-auth';

const events = new Counter({
  name: 'thingspace_auth_events_total',
  help: 'Events by type and error code',
  labelNames: ['type', 'code'],
});
const duration = new Histogram({
  name: 'thingspace_auth_token_duration_seconds',
  help: 'Time to get a token, or to fail',
  labelNames: ['code'],
  buckets: [0.1, 0.3, 1, 3, 10, 30, 60],
});

function record(event: ClientEvent): void {
  const code = ('code' in event && event.code) || '';
  events.inc({ type: event.type, code });
  if ('durationMs' in event) duration.observe({ code }, event.durationMs / 1000);
}

const { authorizedFetch } = createClient({ ...configFromEnvironment(), onEvent: record });

const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
console.log(response.status, await register.metrics());

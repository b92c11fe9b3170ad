// Events as OpenTelemetry metrics and spans. Start an SDK first, as for any program:
//   node --import ./instrumentation.js program.js
import { metrics, SpanStatusCode, trace } from '@opentelemetry/api';
import { type ClientEvent, configFromEnvironment, createClient } from 'thingspace-auth';

const meter = metrics.getMeter('thingspace-auth');
const tracer = trace.getTracer('thingspace-auth');
const events = meter.createCounter('thingspace_auth.events', {
  description: 'Events by type and error code',
});
const duration = meter.createHistogram('thingspace_auth.token.duration', {
  unit: 'ms',
  description: 'Time to get a token',
});

function record(event: ClientEvent): void {
  const { type, ...fields } = event;
  const code = 'code' in event && event.code ? { code: event.code } : {};
  events.add(1, { type, ...code });
  if (!('durationMs' in event)) return;

  duration.record(event.durationMs, code);
  const endTime = Date.now();
  const span = tracer.startSpan('thingspace-auth token', {
    startTime: endTime - event.durationMs,
    attributes: { type, ...fields },
  });
  if (event.type !== 'token_obtained') span.setStatus({ code: SpanStatusCode.ERROR, message: event.code });
  span.end(endTime);
}

const { authorizedFetch } = createClient({ ...configFromEnvironment(), onEvent: record });

const response = await authorizedFetch('https://5gedge.verizon.com/api/mec/eds/regions');
console.log(response.status);

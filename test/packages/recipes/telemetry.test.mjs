// Runs examples/opentelemetry.ts with the real SDKs and their in-memory exporters.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metrics, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { createMockServer } from 'thingspace-auth/testing';

test('the OpenTelemetry example counts the events and makes a span for each token', async (t) => {
  const spans = new InMemorySpanExporter();
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const meterProvider = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 }),
    ],
  });
  metrics.setGlobalMeterProvider(meterProvider);
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
  );
  const mock = createMockServer();
  mock.failNext('token', 503);
  t.mock.method(globalThis, 'fetch', mock.fetch);
  t.mock.method(console, 'log', () => {});
  Object.assign(process.env, {
    THINGSPACE_CLIENT_ID: 'invented-key',
    THINGSPACE_CLIENT_SECRET: 'invented-secret',
  });

  await import('./.build/opentelemetry.js');
  await meterProvider.forceFlush();

  const { metrics: exported } = metricExporter.getMetrics()[0].scopeMetrics[0];
  const points = (name) => exported.find(({ descriptor }) => descriptor.name === name).dataPoints;
  assert.deepEqual(
    points('thingspace_auth.events').map(({ attributes, value }) => [attributes, value]),
    [
      [{ type: 'retry_waiting', code: 'gateway_fault' }, 1],
      [{ type: 'token_obtained' }, 1],
    ],
  );
  assert.equal(points('thingspace_auth.token.duration')[0].value.count, 1);
  const [span, ...others] = spans.getFinishedSpans();
  assert.deepEqual(others, []);
  assert.equal(span.name, 'thingspace-auth token');
  assert.equal(span.status.code, SpanStatusCode.UNSET);
  assert.equal(span.attributes.source, 'exchange');
  assert.equal(span.attributes.attempts, 2);
  assert.doesNotMatch(JSON.stringify([exported, span.attributes]), /invented-secret|mock-access-token/);
  await meterProvider.shutdown();
});

test('the OpenTelemetry example marks the span of a failure', async (t) => {
  const spans = new InMemorySpanExporter();
  trace.disable();
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
  );
  t.mock.method(globalThis, 'fetch', createMockServer({ clients: {} }).fetch);

  await assert.rejects(import('./.build/opentelemetry.js?again'), { code: 'oauth_error' });

  const { status, attributes } = spans.getFinishedSpans()[0];
  assert.deepEqual(status, { code: SpanStatusCode.ERROR, message: 'oauth_error' });
  assert.equal(attributes.statusCode, 401);
});

import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingHttpHeaders } from 'node:http';
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api';
import type { mongo } from 'mongoose';
import type { TracingConfig } from '../../config/config.js';
import type { Metrics } from './metrics.js';
import { importOptional } from './optionalPackage.js';

/**
 * OpenTelemetry traces. Spans are made by hand at the few places that matter, because hooks into `require` do not see ES
 * modules. No span has a document, a variable, a command's content, a header or a body.
 */
export interface Tracing {
  /** Starts the span of an HTTP request, or of an operation over a WebSocket, within the trace that its headers name. */
  startRequest(headers: IncomingHttpHeaders): TracedRequest;
  /** Runs a GraphQL operation as a span of the current request. */
  operation<T>(work: () => Promise<T>, logged: TracedOperation): Promise<T>;
  /** The same metrics; decisions and requests to Stripe also become spans. */
  measured(metrics: Metrics): Metrics;
  /** Commands of a request become spans. The client must have been created with `monitorCommands`. */
  watchDatabase(client: mongo.MongoClient): void;
  /** Sends what is waiting, at most some seconds. */
  stop(): Promise<void>;
}

export interface TracedRequest {
  readonly traceId: string;
  /** Runs a function and all that it starts within the request. */
  run<T>(then: () => T): T;
  end(answer: {
    method: string;
    route: string | undefined;
    status: number;
    tenantId: string | undefined;
  }): void;
}

/** What is known about an operation once it has run. */
export interface TracedOperation {
  operation: string | undefined;
  operationType: string | undefined;
  cost: number | undefined;
  code: string | undefined;
}

/** The parts of OpenTelemetry's packages that are used. */
interface Resource {
  merge(other: Resource): Resource;
}
interface Sdk {
  BasicTracerProvider: new (
    options: object,
  ) => { getTracer(name: string, version: string): Tracer; shutdown(): Promise<void> };
  BatchSpanProcessor: new (exporter: object) => object;
}
interface Exporter {
  OTLPTraceExporter: new (options: { url: string }) => object;
}
interface Resources {
  detectResources(options: { detectors: object[] }): Resource;
  resourceFromAttributes(attributes: Attributes): Resource;
  envDetector: object;
}
const PACKAGES = [
  '@opentelemetry/sdk-trace-base',
  '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/resources',
];

const STOP_MS = 3_000;
const MAX_ATTRIBUTE_LENGTH = 256;
/** Commands under way at the same time that are traced. */
const MAX_COMMANDS = 1_000;

/** The current span, in the request that it belongs to. */
interface Current {
  context: Context;
  request: { ended: boolean };
}

/** The SDK reads its own variables, such as OTEL_TRACES_SAMPLER and OTEL_EXPORTER_OTLP_HEADERS, by itself. */
export async function createTracing({ endpoint, serviceName, version }: TracingConfig): Promise<Tracing> {
  const [sdk, exporter, resources] = await importOptional<[Sdk, Exporter, Resources]>(
    PACKAGES,
    'OTEL_EXPORTER_OTLP_ENDPOINT',
  );
  const { createTraceState, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = await import(
    '@opentelemetry/api'
  );
  const provider = new sdk.BasicTracerProvider({
    resource: resources
      .detectResources({ detectors: [resources.envDetector] })
      .merge(resources.resourceFromAttributes({ 'service.name': serviceName, 'service.version': version })),
    spanLimits: { attributeValueLengthLimit: MAX_ATTRIBUTE_LENGTH },
    spanProcessors: [
      // Its queue is bounded; spans that do not fit are dropped.
      new sdk.BatchSpanProcessor(new exporter.OTLPTraceExporter({ url: `${endpoint}/v1/traces` })),
    ],
  });
  const tracer = provider.getTracer('continuum-billing', version);
  const currents = new AsyncLocalStorage<Current>();

  /** Work that a request started and that goes on after it would make its trace endless, so it belongs to none. */
  function currentContext(): Context | null {
    const current = currents.getStore();
    return current && !current.request.ended ? current.context : null;
  }

  function parentOf({ traceparent, tracestate }: IncomingHttpHeaders): Context {
    const [, traceId = '', spanId = '', flags = ''] =
      (typeof traceparent === 'string' && TRACE_PARENT.exec(traceparent)) || [];
    if (!traceId || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return ROOT_CONTEXT;
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags: Number.parseInt(flags, 16) & 1,
      isRemote: true,
      ...(typeof tracestate === 'string' &&
        tracestate.length <= MAX_TRACE_STATE_LENGTH && { traceState: createTraceState(tracestate) }),
    });
  }

  /** A span of something that has just ended. */
  function record(
    name: string,
    startedAtMs: number,
    { parent, isFailure, attributes }: { parent: Context; isFailure: boolean; attributes: Attributes },
    kind = SpanKind.INTERNAL,
  ): void {
    const span = tracer.startSpan(name, { kind, startTime: startedAtMs, attributes }, parent);
    if (isFailure) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  return {
    startRequest(headers) {
      const parent = parentOf(headers);
      const span = tracer.startSpan('HTTP', { kind: SpanKind.SERVER }, parent);
      const current: Current = { context: trace.setSpan(parent, span), request: { ended: false } };
      return {
        traceId: span.spanContext().traceId,
        run: (then) => currents.run(current, then),
        end({ method, route, status, tenantId }) {
          current.request.ended = true;
          span.updateName(route ? `${method} ${route}` : method);
          span.setAttributes({ 'http.request.method': method, 'http.response.status_code': status });
          if (route) span.setAttribute('http.route', route);
          if (tenantId) span.setAttribute('continuum.tenant_id', tenantId);
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    async operation(work, logged) {
      const current = currents.getStore();
      if (!current) return work();
      const span = tracer.startSpan('GraphQL', {}, current.context);
      try {
        return await currents.run({ ...current, context: trace.setSpan(current.context, span) }, work);
      } finally {
        const { operation, operationType, cost, code } = logged;
        if (operationType)
          span.updateName(operationType).setAttribute('graphql.operation.type', operationType);
        if (operation) span.setAttribute('graphql.operation.name', operation);
        if (cost !== undefined) span.setAttribute('continuum.cost', cost);
        if (code) span.setAttribute('error.type', code).setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      }
    },
    measured: (metrics) => ({
      ...metrics,
      decided(startedAtMs, outcome, tier) {
        metrics.decided(startedAtMs, outcome, tier);
        const parent = currentContext();
        if (!parent) return;
        const attributes = { 'continuum.outcome': outcome, ...(tier && { 'continuum.tier': tier }) };
        record('decision', startedAtMs, { parent, isFailure: outcome === 'failed', attributes });
      },
      stripeAnswered(requestTo, result, startedAtMs) {
        metrics.stripeAnswered(requestTo, result, startedAtMs);
        record(
          `Stripe ${requestTo}`,
          startedAtMs,
          // A request to Stripe by a worker is a trace of its own.
          {
            parent: currentContext() ?? ROOT_CONTEXT,
            isFailure: result !== 'ok',
            attributes: { 'continuum.stripe.result': result },
          },
          SpanKind.CLIENT,
        );
      },
    }),
    watchDatabase(client) {
      const spans = new Map<number, Span>();
      client.on('commandStarted', ({ requestId, commandName, databaseName, command }) => {
        const parent = currentContext();
        if (!parent || spans.size >= MAX_COMMANDS) return;
        const target = command[commandName] as unknown;
        const collection = typeof target === 'string' ? target : undefined;
        const attributes = {
          'db.system.name': 'mongodb',
          'db.namespace': databaseName,
          'db.operation.name': commandName,
          ...(collection && { 'db.collection.name': collection }),
        };
        const name = collection ? `${commandName} ${collection}` : commandName;
        spans.set(requestId, tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, parent));
      });
      const end = (requestId: number, isFailure: boolean) => {
        const span = spans.get(requestId);
        spans.delete(requestId);
        if (isFailure) span?.setStatus({ code: SpanStatusCode.ERROR });
        span?.end();
      };
      client.on('commandSucceeded', ({ requestId }) => end(requestId, false));
      client.on('commandFailed', ({ requestId }) => end(requestId, true));
    },
    async stop() {
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, STOP_MS).unref());
      // A collector that does not answer must not fail the stop.
      await Promise.race([provider.shutdown().catch(() => undefined), timeout]);
    },
  };
}

/** https://www.w3.org/TR/trace-context/#traceparent-header; later versions may append fields. */
const TRACE_PARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;
const MAX_TRACE_STATE_LENGTH = 512;

/**
 * The host of smoo: serves blocks to a gadget for as long as it asks.
 *
 * @module
 */

import { onAbort } from "../block/abortable.ts";
import { checkCount } from "../block/range.ts";
import type { ExportRecord } from "./config.ts";
import { encodeConfig } from "./config.ts";
import type {
  ServedExport,
  ServeEnd,
  ServeEvent,
  ServeOptions,
} from "./events.ts";
import { deriveExportId } from "./export_id.ts";
import { Heartbeat } from "./heartbeat.ts";
import { ServeHistory } from "./history.ts";
import { Link, sleep } from "./link.ts";
import type { OpenExport } from "./pump.ts";
import { Pump } from "./pump.ts";
import type { CacheCounts } from "./statistics.ts";
import type { SmooTransport } from "./transport.ts";

/**
 * Serves `exports` to the gadget behind `transport`: asks who it is, tells it the exports, and
 * answers its requests until the session ends.
 *
 * Many requests are served at once and answered in the order in which their reads end; payloads
 * follow in the order of their Responses. Writes and discards are refused with EOPNOTSUPP unless
 * the export is writable, unknown exports and ranges outside of one with EINVAL, a failed read with
 * EIO; the session goes on. A STATUS each second, which no read can delay, tells the gadget that we
 * are here, and us that it is.
 *
 * When the promise settles nothing of `transport` is used any more, and reads under way have been
 * told by their signal; what it holds is for the caller to close. Serving the same exports again
 * goes on where the phone waits.
 *
 * Memory: at most `options.maxBytes` for payloads under way, up to twice as much when they are no
 * powers of two, and `options.maxBytes` kept for those to come.
 *
 * @returns When the gadget is another process than before: call again with a new transport.
 * @throws {RangeError} when the exports cannot be told to a gadget, see {@linkcode encodeConfig}.
 * @throws {TypeError} when an export is to be writable and its reader cannot write.
 * @throws {ServeError} `smoo.lost`, `smoo.short-transfer`, `smoo.unknown-payload`,
 * `smoo.stray-messages`: find the gadget again and call again.
 * @throws {FormatError} `smoo.bad-ident`, `smoo.bad-status`, `smoo.bad-opcode`: likewise, if it is
 * a gadget of smoo at all.
 * @see https://github.com/samcday/smoo, docs/PROTOCOL.md
 *
 * @example
 * ```ts
 * import type { BlockReader } from "../block/reader.ts";
 * import type { SmooTransport } from "./transport.ts";
 * import { serveExports } from "./host.ts";
 *
 * async function serve(phone: SmooTransport, reader: BlockReader, signal: AbortSignal) {
 *   const end = await serveExports(phone, [{ reader, blockSize: 4096 }], { signal });
 *   console.log(`The gadget began anew as session ${end.after}`);
 * }
 * console.assert(serve.length === 3);
 * ```
 */
export async function serveExports(
  transport: SmooTransport,
  exports: readonly ServedExport[],
  options: ServeOptions = {},
): Promise<ServeEnd> {
  const plan = planServing(exports, options);
  options.signal?.throwIfAborted();
  return await new Session(transport, plan, options).run(options.signal);
}

/** What can be known, and refused, before there is a gadget. */
export interface ServePlan {
  /** CONFIG_EXPORTS. */
  readonly config: Uint8Array<ArrayBuffer>;
  /** In the order of the list. */
  readonly exports: readonly ServedExport[];
  /** As the gadget is told, likewise. */
  readonly records: readonly ExportRecord[];
  readonly limits: {
    readonly maxRequests: number;
    readonly maxBytes: number;
    readonly maxRequestBytes: number;
    readonly heartbeatMs: number;
  };
}

/** Looks at what is to be served; throws as {@linkcode serveExports} does. */
export function planServing(
  exports: readonly ServedExport[],
  options: ServeOptions,
): ServePlan {
  const limit = (name: keyof ServePlan["limits"], value: number) =>
    checkCount(name, options[name] ?? value, 1);
  const records = exports.map((served) => {
    const { reader, blockSize } = served;
    if (served.writable && typeof served.reader.write !== "function") {
      throw new TypeError(
        `Cannot serve "${reader.name}" writable: its reader has no write()`,
      );
    }
    const blockCount = served.writable
      ? Math.floor(reader.size / blockSize)
      : Math.ceil(reader.size / blockSize);
    const exportId = served.exportId ??
      deriveExportId(reader.identity, blockSize, blockCount);
    const readOnly = served.writable !== true;
    return { exportId, blockSize, size: blockCount * blockSize, readOnly };
  });
  return {
    config: encodeConfig(records),
    exports,
    records,
    limits: {
      maxRequests: limit("maxRequests", 64),
      maxBytes: limit("maxBytes", 64 << 20),
      maxRequestBytes: limit("maxRequestBytes", 32 << 20),
      heartbeatMs: limit("heartbeatMs", 1000),
    },
  };
}

class Session {
  readonly #link: Link;
  readonly #pump: Pump;
  readonly #heartbeat: Heartbeat;
  readonly #history: ServeHistory;
  readonly #plan: ServePlan;
  readonly #options: ServeOptions;
  readonly #stop = new AbortController();
  readonly #emit: (event: ServeEvent) => void;
  readonly #fail = (reason: unknown) => {
    this.#settle.reject(reason);
    this.#stop.abort(reason);
  };
  #settle!: { resolve(end: ServeEnd): void; reject(reason: unknown): void };

  constructor(
    transport: SmooTransport,
    plan: ServePlan,
    options: ServeOptions,
  ) {
    const { signal } = this.#stop;
    const { heartbeatMs } = plan.limits;
    const emit = this.#emit = options.onEvent ?? (() => {});
    const fail = this.#fail;
    this.#plan = plan;
    this.#options = options;
    this.#history = options.history ?? new ServeHistory();
    const wait = options.sleep ?? sleep;
    const link = this.#link = new Link(transport, signal, heartbeatMs, wait);
    this.#heartbeat = new Heartbeat({
      link,
      config: plan.config,
      exportCount: plan.exports.length,
      log: options.deviceLog === false ? undefined : this.#history.deviceLog,
      heartbeatMs,
      sleep: wait,
      emit,
      fail,
      signal,
    });
    this.#pump = new Pump({
      ...plan.limits,
      link,
      exports: openExports(plan),
      statistics: this.#history.statistics,
      signal,
      now: options.now ?? (() => performance.now()),
      emit,
      fail,
    });
  }

  async run(signal: AbortSignal | undefined): Promise<ServeEnd> {
    const ended = new Promise<ServeEnd>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const forget = signal && onAbort(signal, () => this.#fail(signal.reason));
    this.#converse().then(this.#settle.resolve, this.#fail);
    try {
      return await ended;
    } finally {
      forget?.();
      this.#stop.abort(new Error("The smoo session is over"));
      this.#pump.close();
    }
  }

  async #converse(): Promise<ServeEnd> {
    const ident = await this.#link.readIdent();
    await this.#link.configure(this.#plan.config);
    const status = await this.#heartbeat.first();
    this.#emit({ type: "started", ident, status });
    this.#pump.run().catch(this.#fail);
    this.#report().catch(this.#fail);
    return await this.#heartbeat.run(status);
  }

  /** Tells the statistics when there is something new. */
  async #report(): Promise<void> {
    const { statistics } = this.#history;
    const wait = this.#options.sleep ?? sleep;
    let before = 0;
    for (;;) {
      await wait(this.#plan.limits.heartbeatMs, this.#stop.signal);
      const report = statistics.report(this.#cacheCounts());
      const seen = statistics.answered + report.inFlight;
      if (seen === before) continue;
      before = seen;
      this.#emit({ type: "statistics", report });
    }
  }

  #cacheCounts(): CacheCounts | undefined {
    const counts = this.#plan.exports.flatMap(({ cache }) =>
      cache === undefined ? [] : [cache()]
    );
    if (counts.length === 0) return undefined;
    return counts.reduce((a, b) => ({
      hits: a.hits + b.hits,
      misses: a.misses + b.misses,
    }));
  }
}

function openExports(plan: ServePlan): Map<number, OpenExport> {
  const opened = new Map<number, OpenExport>();
  for (const [i, record] of plan.records.entries()) {
    const served = plan.exports[i]!;
    opened.set(record.exportId, {
      record,
      reader: served.reader,
      store: served.writable ? served.reader : undefined,
      pending: new Map(),
    });
  }
  return opened;
}

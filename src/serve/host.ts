/**
 * The host of smoo: serves blocks to a gadget for as long as it asks.
 *
 * @module
 */

import { onAbort } from "../block/abortable.ts";
import { checkCount } from "../block/range.ts";
import { fillExactly } from "../block/read_exactly.ts";
import type { BlockReader } from "../block/reader.ts";
import { ServeError } from "./errors.ts";
import type {
  ServedExport,
  ServeEnd,
  ServeEvent,
  ServeOptions,
} from "./events.ts";
import { deriveExportId } from "./export_id.ts";
import { EINVAL, EIO, judge } from "./judge.ts";
import type { Sleep } from "./link.ts";
import { Link, sleep } from "./link.ts";
import type { ExportRecord, Request, Status } from "./messages.ts";
import { decodeRequest, encodeConfig, MessageLayout } from "./messages.ts";
import type { SmooTransport } from "./transport.ts";

/** STATUS tries before the first answer, and heartbeats missed in a row, that end a session. */
const MAX_MISSES = 5;
/** Heartbeats in a row with another number of exports before they are configured again. */
const MAX_WRONG_COUNTS = 3;
/** Messages in a row that are no Request: a pipe that gives nothing must not keep us busy. */
const MAX_STRAYS = 64;
/**
 * Serves `exports` to the gadget behind `transport`: asks who it is, tells it the exports, and
 * answers its requests until the session ends.
 *
 * Many requests are served at once and answered in the order in which their reads end; payloads
 * follow in the order of their Responses. Writes and discards are refused with EOPNOTSUPP, unknown
 * exports and ranges outside of one with EINVAL, a failed read with EIO; the session goes on. A
 * STATUS each second, which no read can delay, tells the gadget that we are here, and us that it is.
 *
 * When the promise settles nothing of `transport` is used any more; what it holds is for the caller
 * to close. Serving the same exports again goes on where the phone waits.
 *
 * @returns When the gadget is another process than before: call again with the same transport.
 * @throws {RangeError} when the exports cannot be told to a gadget, see {@linkcode encodeConfig}.
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
 *   for (;;) {
 *     const end = await serveExports(phone, [{ reader, blockSize: 4096 }], { signal });
 *     console.log(`The gadget began anew as session ${end.after}`);
 *   }
 * }
 * console.assert(serve.length === 3);
 * ```
 */
export async function serveExports(
  transport: SmooTransport,
  exports: readonly ServedExport[],
  options: ServeOptions = {},
): Promise<ServeEnd> {
  const session = new Session(transport, exports, options);
  options.signal?.throwIfAborted();
  return await session.run(options.signal);
}

/** A read between its Request and the start of its Response. */
interface Pending {
  readonly request: Request;
  superseded: boolean;
}

interface OpenExport {
  readonly record: ExportRecord;
  readonly reader: BlockReader;
  readonly pending: Map<number, Pending>;
}

class Session {
  readonly #link: Link;
  readonly #exports = new Map<number, OpenExport>();
  readonly #config: Uint8Array;
  readonly #stop = new AbortController();
  readonly #responses = new Lane();
  readonly #payloads = new Lane();
  readonly #drains = new Lane();
  readonly #emit: (event: ServeEvent) => void;
  readonly #sleep: Sleep;
  readonly #now: () => number;
  readonly #heartbeatMs: number;
  readonly #maxRequests: number;
  readonly #maxBytes: number;
  readonly #maxRequestBytes: number;
  #inFlight = 0;
  #bytesInFlight = 0;
  #wake: (() => void) | undefined;
  #settle!: { resolve(end: ServeEnd): void; reject(reason: unknown): void };

  constructor(
    transport: SmooTransport,
    exports: readonly ServedExport[],
    options: ServeOptions,
  ) {
    const count = (name: keyof ServeOptions & `max${string}`, value: number) =>
      checkCount(name, options[name] ?? value, 1);
    this.#maxRequests = count("maxRequests", 64);
    this.#maxBytes = count("maxBytes", 64 << 20);
    this.#maxRequestBytes = count("maxRequestBytes", 32 << 20);
    this.#heartbeatMs = checkCount(
      "heartbeatMs",
      options.heartbeatMs ?? 1000,
      1,
    );
    this.#emit = options.onEvent ?? (() => {});
    this.#sleep = options.sleep ?? sleep;
    this.#now = options.now ?? (() => performance.now());
    this.#link = new Link(
      transport,
      this.#stop.signal,
      this.#heartbeatMs,
      this.#sleep,
    );
    const opened = exports.map(openExport);
    this.#config = encodeConfig(opened.map(({ record }) => record));
    for (const one of opened) this.#exports.set(one.record.exportId, one);
  }

  async run(signal: AbortSignal | undefined): Promise<ServeEnd> {
    const ended = new Promise<ServeEnd>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const forget = signal && onAbort(signal, () => this.#fail(signal.reason));
    this.#watch(this.#converse());
    try {
      return await ended;
    } finally {
      forget?.();
      this.#stop.abort(new Error("The smoo session is over"));
    }
  }

  /** Ends the session; only the first reason counts. */
  #fail(reason: unknown): void {
    this.#settle.reject(reason);
    this.#stop.abort(reason);
  }

  #watch(work: Promise<void>): void {
    work.catch((error) => this.#fail(error));
  }

  async #converse(): Promise<void> {
    const ident = await this.#link.readIdent();
    await this.#link.configure(this.#config);
    const status = await this.#firstStatus();
    this.#emit({ type: "started", ident, status });
    this.#watch(this.#heartbeats(status.sessionId));
    await this.#pump();
  }

  async #firstStatus(): Promise<Status> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#link.readStatus();
      } catch (error) {
        if (this.#stop.signal.aborted || tries === MAX_MISSES) throw error;
      }
    }
  }

  async #heartbeats(sessionId: bigint): Promise<void> {
    const { signal } = this.#stop;
    let misses = 0;
    let wrongCounts = 0;
    for (;;) {
      await this.#sleep(this.#heartbeatMs, signal);
      let status: Status;
      try {
        status = await this.#link.readStatus();
      } catch (cause) {
        signal.throwIfAborted();
        this.#emit({ type: "missed", misses: ++misses, cause });
        if (misses < MAX_MISSES) continue;
        throw new ServeError(
          "smoo.lost",
          `Cannot serve the gadget any longer: it missed ${misses} heartbeats in a row; it may have crashed or been unplugged`,
          { facts: { pipe: "STATUS", misses }, cause },
        );
      }
      misses = 0;
      this.#emit({ type: "status", status });
      if (status.sessionId !== sessionId) {
        return this.#settle.resolve({
          reason: "session-changed",
          before: sessionId,
          after: status.sessionId,
        });
      }
      // A gadget drops a list without a word when its queue is full. The same list twice does no
      // harm: what is configured already goes on.
      const wrong = status.exportCount !== this.#exports.size;
      wrongCounts = wrong ? wrongCounts + 1 : 0;
      if (wrongCounts === MAX_WRONG_COUNTS) {
        wrongCounts = 0;
        await this.#link.configure(this.#config);
        this.#emit({ type: "configured-again", status });
      }
    }
  }

  /** Takes requests as long as there is room for them. */
  async #pump(): Promise<void> {
    let strays = 0;
    for (;;) {
      await this.#room(0);
      const bytes = await this.#link.receive();
      const at = this.#now();
      if (bytes.length !== MessageLayout.size) {
        this.#emit({ type: "stray", length: bytes.length });
        if (++strays < MAX_STRAYS) continue;
        throw new ServeError(
          "smoo.stray-messages",
          `Cannot understand the gadget: ${strays} messages in a row were no Request, the last had ${bytes.length} bytes, expected ${MessageLayout.size}`,
          { facts: { found: bytes.length, expected: MessageLayout.size } },
        );
      }
      strays = 0;
      await this.#accept(decodeRequest(bytes), at);
    }
  }

  async #accept(request: Request, at: number): Promise<void> {
    const target = this.#exports.get(request.exportId);
    if (target !== undefined && this.#isRepeated(request, target)) return;
    const verdict = judge(request, target?.record, this.#maxRequestBytes);
    switch (verdict.do) {
      case "answer":
        this.#take(0);
        return this.#watch(this.#answer(request, at, verdict.status));
      case "drain":
        this.#take(0);
        return this.#watch(
          this.#drains.push(() => this.#link.dropPayload(verdict.length))
            .then(() => this.#answer(request, at, verdict.status)),
        );
      case "read": {
        const { offset, length } = verdict;
        const pending = { request, superseded: false };
        await this.#room(length);
        this.#take(length);
        target!.pending.set(request.requestId, pending);
        return this.#watch(this.#read(target!, pending, at, offset, length));
      }
      case "end":
        throw new ServeError(
          "smoo.unknown-payload",
          `Cannot refuse write ${request.requestId} to export ${request.exportId}: ${verdict.reason}`,
          {
            facts: {
              requestId: request.requestId,
              exportId: request.exportId,
              blockCount: request.blockCount,
            },
          },
        );
    }
  }

  /**
   * Tells whether the very read is under way: a gadget that lost us asks again with the same id.
   * Two answers would be one too many, the second for whatever has the id by then.
   */
  #isRepeated(request: Request, { pending }: OpenExport): boolean {
    const before = pending.get(request.requestId);
    if (before === undefined) return false;
    const { lba, blockCount } = before.request;
    if (
      request.opcode === "read" && request.lba === lba &&
      request.blockCount === blockCount
    ) {
      this.#emit({ type: "repeated", request });
      return true;
    }
    before.superseded = true;
    pending.delete(request.requestId);
    this.#emit({ type: "superseded", request: before.request });
    return false;
  }

  async #read(
    target: OpenExport,
    pending: Pending,
    at: number,
    offset: number,
    length: number,
  ): Promise<void> {
    const { signal } = this.#stop;
    const payload = new Uint8Array(length);
    let failure: { cause: unknown } | undefined;
    try {
      const size = Math.min(length, target.reader.size - offset);
      const into = size === length ? payload : payload.subarray(0, size);
      await fillExactly(target.reader, offset, into, { signal });
    } catch (cause) {
      failure = { cause };
    }
    if (signal.aborted) return;
    const status = failure === undefined ? 0 : errnoOf(failure.cause);
    await this.#answer(pending.request, at, status, {
      target,
      pending,
      payload,
      ...failure,
    });
  }

  /** Sends the Response, and when it is good the payload of a read behind those of earlier ones. */
  async #answer(
    request: Request,
    at: number,
    status: number,
    read?: {
      readonly target: OpenExport;
      readonly pending: Pending;
      readonly payload: Uint8Array;
      readonly cause?: unknown;
    },
  ): Promise<void> {
    let bytes = 0;
    let sent: Promise<void> | undefined;
    await this.#responses.push(() => {
      if (read?.pending.superseded) return Promise.resolve();
      // From here on the gadget may use the id again.
      read?.target.pending.delete(request.requestId);
      const response = this.#link.respond({ ...request, status });
      if (read !== undefined && status === 0) {
        bytes = read.payload.length;
        sent = this.#payloads.push(() => this.#link.sendPayload(read.payload));
        // Seen at once, though the Response may never end.
        this.#watch(sent);
      }
      return response;
    });
    await sent;
    this.#release(read?.payload.length ?? 0);
    if (read?.pending.superseded) return;
    const cause = read !== undefined && "cause" in read
      ? { cause: read.cause }
      : {};
    const ms = this.#now() - at;
    const inFlight = this.#inFlight;
    this.#emit({
      type: "answered",
      request,
      status,
      bytes,
      ms,
      inFlight,
      ...cause,
    });
  }

  /** Waits until one more request with a payload of `bytes` may begin. */
  async #room(bytes: number): Promise<void> {
    while (
      this.#inFlight >= this.#maxRequests ||
      (this.#inFlight > 0 && this.#bytesInFlight + bytes > this.#maxBytes)
    ) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  #take(bytes: number): void {
    this.#inFlight++;
    this.#bytesInFlight += bytes;
  }

  #release(bytes: number): void {
    this.#inFlight--;
    this.#bytesInFlight -= bytes;
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** Work that is done one after the other. Once one fails, all that follow fail like it. */
class Lane {
  #last: Promise<void> = Promise.resolve();

  push(work: () => Promise<void>): Promise<void> {
    return this.#last = this.#last.then(work);
  }
}

function openExport(served: ServedExport): OpenExport {
  const { reader, blockSize } = served;
  const blockCount = Math.ceil(reader.size / blockSize);
  const exportId = served.exportId ??
    deriveExportId(reader.identity, blockSize, blockCount);
  const record = { exportId, blockSize, size: blockCount * blockSize };
  return { record, reader, pending: new Map() };
}

/** The errno of a failed read: what was asked was wrong, or what is kept is. */
function errnoOf(error: unknown): number {
  return error instanceof RangeError ? EINVAL : EIO;
}

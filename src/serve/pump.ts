/**
 * Takes requests of the gadget and answers them.
 *
 * @module
 */

import { fillExactly } from "../block/read_exactly.ts";
import type { BlockReader } from "../block/reader.ts";
import { BufferPool } from "./buffer_pool.ts";
import type { ExportRecord } from "./config.ts";
import { ServeError } from "./errors.ts";
import type { ServeEvent, WritableReader } from "./events.ts";
import type { Verdict } from "./judge.ts";
import { judge } from "./judge.ts";
import type { Link } from "./link.ts";
import type { Request } from "./messages.ts";
import { decodeRequest, encodeAnswer, MessageLayout } from "./messages.ts";
import type { Outcome } from "./outcome.ts";
import { attempt, failure } from "./outcome.ts";
import type { Statistics } from "./statistics.ts";
import { Turns } from "./turns.ts";

/** Messages in a row that are no Request: a pipe that gives nothing must not keep us busy. */
const MAX_STRAYS = 64;

/** An export and what is under way for it. */
export interface OpenExport {
  /** As the gadget was told. */
  readonly record: ExportRecord;
  /** Where the bytes are. */
  readonly reader: BlockReader;
  /** The same when it can be written to. */
  readonly store: WritableReader | undefined;
  /** By request id: what has no Response yet. */
  readonly pending: Map<number, Pending>;
}

/** A request between its arrival and the start of its Response. */
interface Pending {
  readonly request: Request;
  /** The same as it came. */
  readonly message: Uint8Array;
  /** When it came. */
  readonly at: number;
  superseded: boolean;
}

/** What a {@linkcode Pump} works with. */
export interface PumpParts {
  readonly link: Link;
  /** By id. */
  readonly exports: ReadonlyMap<number, OpenExport>;
  readonly statistics: Statistics;
  /** That of the session. */
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly emit: (event: ServeEvent) => void;
  /** Ends the session. */
  readonly fail: (reason: unknown) => void;
  readonly maxRequests: number;
  readonly maxBytes: number;
  readonly maxRequestBytes: number;
}

/** Serves one session. */
export class Pump {
  readonly #parts: PumpParts;
  readonly #options: { readonly signal: AbortSignal };
  readonly #pool: BufferPool;
  readonly #turns: Turns;
  /** Payloads of Writes come in the order of their Requests. */
  #lastPayload: Promise<void> = Promise.resolve();
  #inFlight = 0;
  #bytesInFlight = 0;
  #wake: (() => void) | undefined;

  /** Makes a pump that has not begun. */
  constructor(parts: PumpParts) {
    this.#parts = parts;
    this.#options = { signal: parts.signal };
    this.#pool = new BufferPool(parts.maxBytes);
    this.#turns = new Turns(parts.now());
  }

  /** Takes requests as long as there is room for them; only ever rejects. */
  async run(): Promise<never> {
    const { link, now, emit } = this.#parts;
    let strays = 0;
    for (;;) {
      if (this.#isFull(0)) await this.#room(0);
      const bytes = await link.receive();
      const at = now();
      const turn = this.#turns.due(at);
      if (turn !== undefined) await turn;
      if (bytes.length !== MessageLayout.size) {
        emit({ type: "stray", length: bytes.length });
        if (++strays < MAX_STRAYS) continue;
        throw new ServeError(
          "smoo.stray-messages",
          `Cannot understand the gadget: ${strays} messages in a row were no Request, the last had ${bytes.length} bytes, expected ${MessageLayout.size}`,
          { facts: { found: bytes.length, expected: MessageLayout.size } },
        );
      }
      strays = 0;
      const room = this.#accept(bytes, at);
      if (room !== undefined) await room;
    }
  }

  /** Nothing is answered any more: the requests under way are left. */
  close(): void {
    for (let left = this.#inFlight; left > 0; left--) {
      this.#parts.statistics.drop();
    }
    this.#inFlight = 0;
  }

  /** Begins what `request` asks for; what to wait for when there is no room yet. */
  #accept(message: Uint8Array, at: number): Promise<void> | undefined {
    const { exports, maxRequestBytes } = this.#parts;
    const request = decodeRequest(message);
    const target = exports.get(request.exportId);
    const verdict = judge(request, target?.record, maxRequestBytes);
    if (verdict.do === "end") throw unknownPayload(request, verdict.reason);
    if (target !== undefined && this.#isRepeated(request, target)) return;
    const pending = { request, message, at, superseded: false };
    if (verdict.do === "answer") {
      const { status } = verdict;
      return this.#begin(0, () => this.#answer(pending, { status, bytes: 0 }));
    }
    target!.pending.set(request.requestId, pending);
    const held = verdict.do === "read" || verdict.do === "write"
      ? verdict.length
      : 0;
    return this.#begin(held, () => this.#do(verdict, target!, pending));
  }

  async #do(
    verdict: Exclude<Verdict, { do: "answer" | "end" }>,
    target: OpenExport,
    pending: Pending,
  ): Promise<void> {
    const { store } = target;
    switch (verdict.do) {
      case "read":
        return await this.#read(
          target,
          pending,
          verdict.offset,
          verdict.length,
        );
      case "write":
        return await this.#write(
          target,
          pending,
          verdict.offset,
          verdict.length,
        );
      case "drain": {
        const { length, status } = verdict;
        await this.#payload(() => this.#parts.link.dropPayload(length));
        return await this.#finish(target, pending, { status, bytes: 0 });
      }
      case "discard": {
        const { offset, length } = verdict;
        const work = store?.discard?.(offset, length, this.#options);
        return await this.#finish(target, pending, await attempt(work));
      }
      case "flush": {
        const work = store?.flush?.(this.#options) ?? Promise.resolve();
        return await this.#finish(target, pending, await attempt(work));
      }
    }
  }

  /**
   * Tells whether the very request is under way: a gadget that lost us asks again with the same id.
   * Two answers would be one too many, the second for whatever has the id by then.
   */
  #isRepeated(request: Request, { pending }: OpenExport): boolean {
    const before = pending.get(request.requestId);
    if (before === undefined) return false;
    const { opcode, lba, blockCount } = before.request;
    if (
      request.opcode === opcode && request.lba === lba &&
      request.blockCount === blockCount
    ) {
      this.#parts.emit({ type: "repeated", request });
      if (opcode === "write" && blockCount > 0) {
        throw unknownPayload(
          request,
          "it came twice, and nobody knows whether its first payload still comes",
        );
      }
      return true;
    }
    before.superseded = true;
    pending.delete(request.requestId);
    this.#parts.emit({ type: "superseded", request: before.request });
    return false;
  }

  async #read(
    target: OpenExport,
    pending: Pending,
    offset: number,
    length: number,
  ): Promise<void> {
    const payload = this.#pool.take(length);
    let outcome: Outcome = { status: 0, bytes: length };
    try {
      const { reader } = target;
      const size = Math.min(length, reader.size - offset);
      const into = size === length ? payload : payload.subarray(0, size);
      await fillExactly(reader, offset, into, this.#options);
      if (size < length) payload.fill(0, size);
    } catch (cause) {
      outcome = failure(cause);
    }
    await this.#finish(target, pending, outcome, payload);
    this.#pool.give(payload);
  }

  async #write(
    target: OpenExport,
    pending: Pending,
    offset: number,
    length: number,
  ): Promise<void> {
    const payload = this.#pool.take(length);
    await this.#payload(() => this.#parts.link.takePayload(payload));
    let outcome = await attempt(
      target.store?.write(offset, payload, this.#options),
    );
    if (outcome.status === 0) outcome = { status: 0, bytes: length };
    this.#pool.give(payload);
    await this.#finish(target, pending, outcome, undefined, length);
  }

  /** Answers unless another request has the id by now. */
  async #finish(
    target: OpenExport,
    pending: Pending,
    outcome: Outcome,
    payload?: Uint8Array<ArrayBuffer>,
    held = payload?.length ?? 0,
  ): Promise<void> {
    // Counted as left when the session ended.
    if (this.#parts.signal.aborted) return;
    if (pending.superseded) {
      this.#release(held);
      this.#parts.statistics.drop();
      return;
    }
    // From here on the gadget may use the id again.
    target.pending.delete(pending.request.requestId);
    await this.#answer(pending, outcome, payload, held);
  }

  /**
   * Sends the Response, and the payload of a good Read beside it: both pipes keep the order of the
   * calls, so payloads lie in the order of their Responses.
   */
  async #answer(
    { request, message, at }: Pending,
    outcome: Outcome,
    payload?: Uint8Array<ArrayBuffer>,
    held = 0,
  ): Promise<void> {
    const { link, statistics, now, emit, fail } = this.#parts;
    const { status, bytes, cause } = outcome;
    const responded = link.respond(encodeAnswer(message, status));
    if (payload !== undefined && status === 0) {
      const sent = link.sendPayload(payload);
      // Seen at once, though the other may never end.
      responded.catch(fail);
      await sent;
    }
    await responded;
    this.#release(held);
    const ms = now() - at;
    statistics.end(request.opcode, status, bytes, ms);
    const { inFlight } = statistics;
    emit({ type: "answered", request, status, bytes, ms, inFlight, cause });
  }

  /** Takes the payload of a Write behind those before. Once one fails, all that follow do. */
  #payload(take: () => Promise<void>): Promise<void> {
    return this.#lastPayload = this.#lastPayload.then(take);
  }

  /** Begins `work` that holds `bytes`, when there is room for it. */
  #begin(bytes: number, work: () => Promise<void>): Promise<void> | undefined {
    if (this.#isFull(bytes)) {
      return this.#room(bytes).then(() => {
        this.#begin(bytes, work);
      });
    }
    this.#inFlight++;
    this.#bytesInFlight += bytes;
    this.#parts.statistics.begin();
    work().catch(this.#parts.fail);
    return undefined;
  }

  #isFull(bytes: number): boolean {
    const { maxRequests, maxBytes } = this.#parts;
    return this.#inFlight >= maxRequests ||
      (this.#inFlight > 0 && this.#bytesInFlight + bytes > maxBytes);
  }

  /** Waits until one more request with a payload of `bytes` may begin. */
  async #room(bytes: number): Promise<void> {
    while (this.#isFull(bytes)) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  #release(bytes: number): void {
    this.#inFlight--;
    this.#bytesInFlight -= bytes;
    this.#wake?.();
    this.#wake = undefined;
  }
}

function unknownPayload(request: Request, reason: string): ServeError {
  const { requestId, exportId, blockCount } = request;
  return new ServeError(
    "smoo.unknown-payload",
    `Cannot answer write ${requestId} to export ${exportId}: ${reason}`,
    { facts: { requestId, exportId, blockCount } },
  );
}

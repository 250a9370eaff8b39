/**
 * What a host is told, what it tells, and how its session ends.
 *
 * @module
 */

import type { BlockReader } from "../block/reader.ts";
import type { Sleep } from "./link.ts";
import type { Ident, Request, Status } from "./messages.ts";

/** One image that is served. */
export interface ServedExport {
  /** Where the bytes come from. A last block that it does not fill is filled up with zeros. */
  readonly reader: BlockReader;
  /** Of the block device on the phone: bytes, a power of two of 512 to 65536. */
  readonly blockSize: number;
  /** Names it towards the gadget; when absent it is derived from what the reader holds. */
  readonly exportId?: number | undefined;
}

/** What {@linkcode serveExports} can be told. */
export interface ServeOptions {
  /** Ends the session; it rejects with `signal.reason`. The phone waits for another host. */
  readonly signal?: AbortSignal | undefined;
  /** Told of everything that happens, as it happens. Must not throw. */
  readonly onEvent?: ((event: ServeEvent) => void) | undefined;
  /** Requests under way at most; 64 when absent. */
  readonly maxRequests?: number | undefined;
  /** Bytes of the payloads under way at most; 64 MiB when absent. */
  readonly maxBytes?: number | undefined;
  /** Bytes of one Read at most, more is answered EINVAL; 32 MiB when absent. */
  readonly maxRequestBytes?: number | undefined;
  /** Time from one STATUS to the next, and limit of a control transfer; 1000 when absent. */
  readonly heartbeatMs?: number | undefined;
  /** Waits; rejects when `signal` is aborted. By `setTimeout` when absent. */
  readonly sleep?: Sleep | undefined;
  /** Milliseconds since some moment; `performance.now` when absent. */
  readonly now?: (() => number) | undefined;
}

/** Something happened in the session. */
export type ServeEvent =
  /** The gadget knows its exports; requests can come. */
  | {
    readonly type: "started";
    readonly ident: Ident;
    readonly status: Status;
  }
  /** The gadget answered a heartbeat. */
  | { readonly type: "status"; readonly status: Status }
  /** The gadget did not answer a heartbeat, for the `misses`th time in a row. */
  | {
    readonly type: "missed";
    readonly misses: number;
    readonly cause: unknown;
  }
  /** The gadget had another number of exports for some time and was told them again. */
  | { readonly type: "configured-again"; readonly status: Status }
  /** A request is done: once for each. */
  | {
    readonly type: "answered";
    readonly request: Request;
    /** 0, or the errno that was answered. */
    readonly status: number;
    /** Bytes of the payload that was sent. */
    readonly bytes: number;
    /** From the arrival of the request to the end of the last transfer. */
    readonly ms: number;
    /** Requests that are still under way. */
    readonly inFlight: number;
    /** Why a read failed. */
    readonly cause?: unknown;
  }
  /** The gadget asked again for what is being read already: it gets one answer. */
  | { readonly type: "repeated"; readonly request: Request }
  /** The gadget used the id of this read for another request: it gets no answer. */
  | { readonly type: "superseded"; readonly request: Request }
  /** A message that is no Request, of `length` bytes, was dropped. */
  | { readonly type: "stray"; readonly length: number };

/** How a session ended that neither failed nor was cancelled. */
export interface ServeEnd {
  /** The gadget is another process now and knows nothing of us: begin again. */
  readonly reason: "session-changed";
  /** Session that was served. */
  readonly before: bigint;
  /** Session of the gadget now. */
  readonly after: bigint;
}

/**
 * What a host is told, what it tells, and how its session ends.
 *
 * @module
 */

import type { BlockReader, ReadOptions } from "../block/reader.ts";
import type { DeviceLogEvent } from "./device_log.ts";
import type { ServeHistory } from "./history.ts";
import type { Sleep } from "./link.ts";
import type { Ident, Request, Status } from "./messages.ts";
import type { CacheCounts, StatisticsReport } from "./statistics.ts";

/**
 * A reader whose bytes can be replaced: a scratch disk for the phone.
 *
 * Its identity names the place, since the bytes change. Reads and writes that overlap in time do
 * not overlap in place: the phone's kernel sees to that.
 */
export interface WritableReader extends BlockReader {
  /**
   * Stores all of `bytes` at byte `offset`; they are not touched once the promise settles.
   *
   * @throws {RangeError} for what cannot be stored: answered EINVAL. Anything else: EIO.
   */
  write(
    offset: number,
    bytes: Uint8Array,
    options?: ReadOptions,
  ): Promise<void>;
  /** Resolves when what was stored before will outlive us. */
  flush?(options?: ReadOptions): Promise<void>;
  /** Gives up what is stored in a range; it may read as anything afterwards. */
  discard?(
    offset: number,
    length: number,
    options?: ReadOptions,
  ): Promise<void>;
}

/** One image that is served. */
export type ServedExport = ReadOnlyExport | WritableExport;

/** What both kinds of exports have. */
export interface ExportCommon {
  /** Of the block device on the phone: bytes, a power of two of 512 to 65536. */
  readonly blockSize: number;
  /** Names it towards the gadget; when absent it is derived from what the reader holds. */
  readonly exportId?: number | undefined;
  /** Tells how the cache below the reader does, for the statistics. */
  readonly cache?: (() => CacheCounts) | undefined;
}

/** The usual export: writes are refused. */
export interface ReadOnlyExport extends ExportCommon {
  /** Where the bytes come from. A last block that it does not fill is filled up with zeros. */
  readonly reader: BlockReader;
  /** Absent or false. */
  readonly writable?: false | undefined;
}

/** An export that the phone may write to. */
export interface WritableExport extends ExportCommon {
  /** Where the bytes come from and go to: whole blocks. */
  readonly reader: WritableReader;
  /** Has to be said. */
  readonly writable: true;
}

/** What {@linkcode serveExports} can be told. */
export interface ServeOptions {
  /** Ends the session; it rejects with `signal.reason`. The phone waits for another host. */
  readonly signal?: AbortSignal | undefined;
  /** Told of everything that happens, as it happens. Must not throw. */
  readonly onEvent?: ((event: ServeEvent) => void) | undefined;
  /** What earlier sessions with the phone left; when absent it begins anew. */
  readonly history?: ServeHistory | undefined;
  /** Requests under way at most; 64 when absent. */
  readonly maxRequests?: number | undefined;
  /** Bytes of the payloads under way at most; 64 MiB when absent. */
  readonly maxBytes?: number | undefined;
  /** Bytes of one Read or Write at most, more is answered EINVAL; 32 MiB when absent. */
  readonly maxRequestBytes?: number | undefined;
  /**
   * Time from one STATUS to the next, and from one report of the statistics to the next; a control
   * transfer may take five times as long. 1000 when absent; a phone takes us for dead after 3000.
   */
  readonly heartbeatMs?: number | undefined;
  /** Asks the phone for its log; true when absent. */
  readonly deviceLog?: boolean | undefined;
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
    /** Bytes of the payload that was sent or stored. */
    readonly bytes: number;
    /** From the arrival of the request to the end of the last transfer. */
    readonly ms: number;
    /** Requests that are still under way. */
    readonly inFlight: number;
    /** Why a read, write, flush or discard failed; nothing when it did not. */
    readonly cause: unknown;
  }
  /** The gadget asked again for what is being done already: it gets one answer. */
  | { readonly type: "repeated"; readonly request: Request }
  /** The gadget used the id of this request for another one: it gets no answer. */
  | { readonly type: "superseded"; readonly request: Request }
  /** A message that is no Request, of `length` bytes, was dropped. */
  | { readonly type: "stray"; readonly length: number }
  /** What was served so far: once in a while when there is something new. */
  | { readonly type: "statistics"; readonly report: StatisticsReport }
  /** The phone cannot tell its log, or not any more. The session goes on. */
  | { readonly type: "device-log-unavailable"; readonly cause: unknown }
  | DeviceLogEvent;

/** How a session ended that neither failed nor was cancelled. */
export interface ServeEnd {
  /** The gadget is another process now and knows nothing of us: begin again. */
  readonly reason: "session-changed";
  /** Session that was served. */
  readonly before: bigint;
  /** Session of the gadget now. */
  readonly after: bigint;
}

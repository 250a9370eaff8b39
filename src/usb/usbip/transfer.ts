/**
 * Transfers on bulk and interrupt endpoints, split into URBs.
 *
 * @module
 */

import { onAbort } from "../../block/abortable.ts";
import { UsbError } from "../errors.ts";
import type {
  UsbDirection,
  UsbInTransferResult,
  UsbOutTransferResult,
  UsbTransferStatus,
} from "../shape.ts";
import type { UsbIpTransferOptions } from "./options.ts";
import type { UsbIpConnection } from "./connection.ts";
import type { Urb, UrbResult } from "./urb.ts";

/** An endpoint, with what its URBs need. */
export interface Pipe {
  /** 1 to 15. */
  readonly endpoint: number;
  readonly direction: UsbDirection;
  /** Bytes. */
  readonly packetSize: number;
  /** For URBs. */
  readonly interval: number;
  /** Bytes of one URB at most. */
  readonly maxUrbBytes: number;
}

// errno.h of Linux
const ENOENT = -2;
const ENODEV = -19;
const EPIPE = -32;
const EOVERFLOW = -75;
const ECONNRESET = -104;
const ESHUTDOWN = -108;
const EREMOTEIO = -121;

/**
 * What the status of an URB means.
 *
 * @throws {UsbError} `usb.disconnected`, `usb.transfer-failed`
 */
export function statusOf(
  { status }: Pick<UrbResult, "status">,
  endpoint: number,
): UsbTransferStatus {
  switch (status) {
    case 0:
    case EREMOTEIO: // shorter than asked for
      return "ok";
    case EPIPE:
      return "stall";
    case EOVERFLOW:
      return "babble";
    case ENODEV:
    case ESHUTDOWN:
    case ECONNRESET:
    case ENOENT:
      throw new UsbError(
        "usb.disconnected",
        `Cannot finish transfer on endpoint ${endpoint}: the device or the endpoint is gone (errno ${-status})`,
        { facts: { endpoint, errno: -status } },
      );
    default:
      throw new UsbError(
        "usb.transfer-failed",
        `Cannot finish transfer on endpoint ${endpoint}: it ended with errno ${-status}; the cable may be bad`,
        { facts: { endpoint, errno: -status } },
      );
  }
}

/** Receives up to `length` bytes, fewer when the device sends a short packet. */
export async function transferIn(
  connection: UsbIpConnection,
  pipe: Pipe,
  length: number,
  { signal, exact = false }: UsbIpTransferOptions,
): Promise<UsbInTransferResult> {
  if (!Number.isInteger(length) || length < 0) {
    throw new RangeError(`Cannot receive ${length} bytes`);
  }
  if (length <= pipe.maxUrbBytes) {
    const urb = { ...urbOf(pipe), length };
    const result = await connection.submit(urb, signal);
    return inResult(statusOf(result, pipe.endpoint), result.data);
  }
  const into = new Uint8Array(length);
  const urbs: Urb[] = [];
  for (const [start, end] of pieces(length, pipe.maxUrbBytes)) {
    const part = into.subarray(start, end);
    urbs.push({ ...urbOf(pipe), length: end - start, into: part });
  }
  // A short packet ends the transfer, and an URB behind it would take what belongs to the next.
  const together = exact && length % pipe.packetSize === 0;
  const { status, done } = together
    ? await submitTogether(connection, urbs, signal)
    : await submitInTurn(connection, urbs, signal);
  return inResult(status, into.subarray(0, done));
}

/** Sends all of `data`. */
export async function transferOut(
  connection: UsbIpConnection,
  pipe: Pipe,
  data: Uint8Array,
  { signal }: UsbIpTransferOptions,
): Promise<UsbOutTransferResult> {
  const urbs: Urb[] = [];
  for (const [start, end] of pieces(data.length, pipe.maxUrbBytes)) {
    const part = data.subarray(start, end);
    urbs.push({ ...urbOf(pipe), length: part.length, data: part });
  }
  const { status, done } = await submitTogether(connection, urbs, signal);
  return { status, bytesWritten: done };
}

function urbOf({ endpoint, direction, interval }: Pipe): Omit<Urb, "length"> {
  return { endpoint, direction, interval };
}

function inResult(
  status: UsbTransferStatus,
  data: Uint8Array<ArrayBuffer>,
): UsbInTransferResult {
  const { buffer, byteOffset, byteLength } = data;
  return { status, data: new DataView(buffer, byteOffset, byteLength) };
}

function pieces(length: number, most: number): [start: number, end: number][] {
  const list: [number, number][] = [];
  let start = 0;
  do {
    const end = Math.min(length, start + most);
    list.push([start, end]);
    start = end;
  } while (start < length);
  return list;
}

interface Outcome {
  readonly status: UsbTransferStatus;
  /** Bytes of all URBs up to the one that was not filled. */
  readonly done: number;
}

async function submitInTurn(
  connection: UsbIpConnection,
  urbs: readonly Urb[],
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  let done = 0;
  for (const urb of urbs) {
    const result = await connection.submit(urb, signal);
    done += result.actualLength;
    const status = statusOf(result, urb.endpoint);
    if (status !== "ok" || result.actualLength < urb.length) {
      return { status, done };
    }
  }
  return { status: "ok", done };
}

/** Queues all at once; when one is not done whole, those behind it are taken back. */
async function submitTogether(
  connection: UsbIpConnection,
  urbs: readonly Urb[],
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  if (urbs.length === 1) return await submitInTurn(connection, urbs, signal);
  signal?.throwIfAborted();
  const rest = new AbortController();
  const forget = signal && onAbort(signal, () => rest.abort(signal.reason));
  const results = urbs.map((urb) => connection.submit(urb, rest.signal));
  for (const result of results) result.catch(() => {});
  let done = 0;
  try {
    for (const [index, urb] of urbs.entries()) {
      const result = await results[index]!;
      done += result.actualLength;
      const status = statusOf(result, urb.endpoint);
      if (status !== "ok" || result.actualLength < urb.length) {
        return { status, done };
      }
    }
    return { status: "ok", done };
  } finally {
    forget?.();
    rest.abort();
  }
}

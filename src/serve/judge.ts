/**
 * What becomes of a Request, before anything is read.
 *
 * @module
 */

import type { ExportRecord } from "./config.ts";
import type { Request } from "./messages.ts";

/** Linux errno: input/output error. */
export const EIO = 5;
/** Linux errno: invalid argument. */
export const EINVAL = 22;
/** Linux errno: operation not supported. */
export const EOPNOTSUPP = 95;

/** The longest payload whose length both sides of the reference can express. */
const MAX_PAYLOAD_BYTES = 0xffffffff;

/** What is to be done about a Request. */
export type Verdict =
  /** Answer now. */
  | { readonly do: "answer"; readonly status: number }
  /** Read `length` bytes at byte `offset`, answer, and send them. */
  | { readonly do: "read"; readonly offset: number; readonly length: number }
  /** Take `length` bytes from bulk IN, store them at byte `offset`, and answer. */
  | { readonly do: "write"; readonly offset: number; readonly length: number }
  /** Give up what is stored there, and answer. */
  | { readonly do: "discard"; readonly offset: number; readonly length: number }
  /** See to it that what was stored stays, and answer. */
  | { readonly do: "flush" }
  /** Take `length` bytes from bulk IN, drop them, and answer. */
  | { readonly do: "drain"; readonly length: number; readonly status: number }
  /** A payload follows whose end cannot be known: nothing after it could be understood. */
  | { readonly do: "end"; readonly reason: string };

/**
 * Decides about `request`. A Write that is refused has its payload taken all the same.
 *
 * @param record The export it names, nothing when there is none.
 * @param maxBytes Bytes of one Read or Write at most; a larger one is answered EINVAL.
 */
export function judge(
  request: Request,
  record: ExportRecord | undefined,
  maxBytes: number,
): Verdict {
  const { opcode, lba, blockCount } = request;
  if (record === undefined) {
    if (opcode !== "write" || blockCount === 0) {
      return { do: "answer", status: EINVAL };
    }
    return {
      do: "end",
      reason: "its export is unknown, and so the length of its payload",
    };
  }
  const { blockSize, size, readOnly } = record;
  const length = blockCount * blockSize;
  if (opcode === "write" && length > MAX_PAYLOAD_BYTES) {
    return {
      do: "end",
      reason:
        `its payload has ${length} bytes, expected at most ${MAX_PAYLOAD_BYTES}`,
    };
  }
  const refuse = (status: number): Verdict =>
    opcode === "write" && length > 0
      ? { do: "drain", length, status }
      : { do: "answer", status };
  if (opcode === "flush") {
    return readOnly ? { do: "answer", status: 0 } : { do: "flush" };
  }
  if (readOnly && opcode !== "read") return refuse(EOPNOTSUPP);
  if (length === 0) return { do: "answer", status: 0 };
  // Every lba that could lie in the export is a safe integer, and larger ones stay larger.
  const offset = Number(lba) * blockSize;
  if (offset + length > size) return refuse(EINVAL);
  if (opcode !== "discard" && length > maxBytes) return refuse(EINVAL);
  return { do: opcode, offset, length };
}

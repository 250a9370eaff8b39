/**
 * What becomes of a Request, before anything is read.
 *
 * @module
 */

import type { ExportRecord, Request } from "./messages.ts";

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
  /** Take `length` bytes from bulk IN, drop them, and answer. */
  | { readonly do: "drain"; readonly length: number; readonly status: number }
  /** A payload follows whose end cannot be known: nothing after it could be understood. */
  | { readonly do: "end"; readonly reason: string };

/**
 * Decides about `request`. Exports are read-only: a Write is refused, but its payload is taken.
 *
 * @param record The export it names, nothing when there is none.
 * @param maxBytes Bytes of one Read at most; a larger one is answered EINVAL.
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
  const length = blockCount * record.blockSize;
  switch (opcode) {
    case "flush":
      return { do: "answer", status: 0 };
    case "discard":
      return { do: "answer", status: EOPNOTSUPP };
    case "write":
      if (length > MAX_PAYLOAD_BYTES) {
        return {
          do: "end",
          reason:
            `its payload has ${length} bytes, expected at most ${MAX_PAYLOAD_BYTES}`,
        };
      }
      return { do: "drain", length, status: EOPNOTSUPP };
    case "read": {
      if (length === 0) return { do: "answer", status: 0 };
      const end = (lba + BigInt(blockCount)) * BigInt(record.blockSize);
      if (length > maxBytes || end > BigInt(record.size)) {
        return { do: "answer", status: EINVAL };
      }
      return { do: "read", offset: Number(lba) * record.blockSize, length };
    }
  }
}

/**
 * What the core says of a device tree, as errors for people.
 *
 * @module
 */

import { type ErrorCode, FormatError } from "../../errors.ts";
import { FdtFault } from "../../wasm/fdt.ts";

/** Bytes of a device tree or overlay at most. The largest in use have a tenth of it. */
export const MAX_DTB_SIZE: number = 4 << 20;

/** How a tree is named when nobody says. */
export const UNNAMED = "device tree";

const TREE_CODES: Readonly<Record<string, ErrorCode>> = {
  FDT_ERR_BADMAGIC: "fdt.bad-magic",
  FDT_ERR_BADVERSION: "fdt.unsupported",
  FDT_ERR_TRUNCATED: "fdt.truncated",
};

/** Refuses a size before memory is taken. */
export function checkDtbSize(name: string, size: number): void {
  if (size <= MAX_DTB_SIZE) return;
  throw new FormatError(
    "fdt.too-large",
    `Cannot read device tree "${name}": it has ${size} bytes, expected at most ${MAX_DTB_SIZE}`,
    { facts: { name, size, maxSize: MAX_DTB_SIZE } },
  );
}

/** The error for a tree that is wrong by itself; what is no fault of a tree comes back as it is. */
export function treeError(
  name: string,
  bytes: Uint8Array,
  fault: unknown,
): unknown {
  if (!(fault instanceof FdtFault)) return fault;
  const { libfdt, reason } = fault;
  const make = (code: ErrorCode, text: string) =>
    new FormatError(code, `Cannot read device tree "${name}": ${text}`, {
      facts: { name, size: bytes.length, libfdt },
      cause: fault,
    });
  switch (reason) {
    case "too-deep":
      return make(
        "fdt.too-deep",
        "its nodes lie deeper than Linux reads, expected at most 64 levels",
      );
    case "too-much-work":
      return make(
        "fdt.too-much-work",
        "reading it takes longer than that of any tree in use; the file may be damaged",
      );
  }
  const code = TREE_CODES[libfdt ?? ""] ?? "fdt.damaged";
  if (code === "fdt.bad-magic") {
    return make(code, `magic is ${magic(bytes)}, expected 0xd00dfeed`);
  }
  if (code === "fdt.truncated") {
    return make(
      code,
      `it ends within ${bytes.length} bytes, expected more (libfdt: ${libfdt}); the file may be cut short`,
    );
  }
  if (code === "fdt.unsupported") {
    return make(code, `libfdt says ${libfdt}, expected version 16 or 17`);
  }
  return make(
    code,
    `libfdt says ${libfdt ?? "that it is damaged"}; the file may be damaged`,
  );
}

function magic(bytes: Uint8Array): string {
  return "0x" +
    Array.from(bytes.subarray(0, 4), (n) => n.toString(16).padStart(2, "0"))
      .join("");
}

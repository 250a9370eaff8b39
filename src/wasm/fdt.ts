/**
 * libfdt in the WASM core, typed. What a fault means to the caller is said in `format/fdt`.
 *
 * @module
 */
import { type Bytes, type CallMemory, codecCore, withMemory } from "./call.ts";
import { CoreError } from "./errors.ts";
import { FDT_FAULT_SIZE, Status } from "./exports.ts";
import type { Core } from "./instance.ts";

/** `enum fb_fdt_reason` */
const REASONS = [
  undefined,
  "bad-tree",
  "too-deep",
  "too-much-work",
  "no-symbols",
  "no-label",
  "bad-label",
  "bad-fixup",
  "bad-local-fixup",
  "no-target",
  "nothing-to-apply",
  "bad-overlay",
  "no-node",
  "no-property",
] as const;

/** What is wrong, see `enum fb_fdt_reason` in `wasm/fastboop.h`. */
export type FdtReason =
  | Exclude<typeof REASONS[number], undefined>
  | "result-too-large";

/** `FDT_ERR_*` of libfdt.h, by their numbers. */
const LIBFDT_ERRORS = [
  undefined,
  "FDT_ERR_NOTFOUND",
  "FDT_ERR_EXISTS",
  "FDT_ERR_NOSPACE",
  "FDT_ERR_BADOFFSET",
  "FDT_ERR_BADPATH",
  "FDT_ERR_BADPHANDLE",
  "FDT_ERR_BADSTATE",
  "FDT_ERR_TRUNCATED",
  "FDT_ERR_BADMAGIC",
  "FDT_ERR_BADVERSION",
  "FDT_ERR_BADSTRUCTURE",
  "FDT_ERR_BADLAYOUT",
  "FDT_ERR_INTERNAL",
  "FDT_ERR_BADNCELLS",
  "FDT_ERR_BADVALUE",
  "FDT_ERR_BADOVERLAY",
  "FDT_ERR_NOPHANDLES",
  "FDT_ERR_BADFLAGS",
  "FDT_ERR_ALIGNMENT",
] as const;

/** Why the core refused a tree. The caller knows where it came from and says so. */
export class FdtFault extends Error {
  override readonly name = "FdtFault";
  readonly reason: FdtReason;
  /** `FDT_ERR_NOTFOUND` and so on. */
  readonly libfdt: string | undefined;
  /** The overlay is at fault, not the base. */
  readonly inOverlay: boolean;
  /** Label, path or name that it is about; empty when there is none. Control characters are escaped. */
  readonly text: string;

  constructor(
    reason: FdtReason,
    details: {
      libfdt?: string | undefined;
      inOverlay?: boolean;
      text?: string;
    } = {},
  ) {
    super(`device tree refused: ${reason}`);
    this.reason = reason;
    this.libfdt = details.libfdt;
    this.inOverlay = details.inOverlay ?? false;
    this.text = details.text ?? "";
  }
}

/** Where a node is looked for; by `compatible` the first in the order of the tree is taken. */
export type FdtPlace = { readonly path: string } | {
  readonly compatible: string;
};

/** Gives the bytes that the tree itself has. Linear memory: that of the tree. */
export function fdtSize(tree: Uint8Array): Promise<number> {
  return call(tree.length, (use) => use.check(use.put(tree), tree.length));
}

/**
 * Applies one overlay; the result is packed.
 *
 * @param maxSize Bytes of the result at most.
 */
export function fdtApply(
  base: Uint8Array,
  overlay: Uint8Array,
  maxSize: number,
): Promise<Bytes> {
  return call(base.length + 4 * overlay.length, (use) => {
    const basePointer = use.put(base);
    const overlayPointer = use.put(overlay);
    return use.grow(
      base.length + 2 * overlay.length + 4096,
      maxSize,
      (out, size, fault) =>
        use.core.exports.fb_fdt_apply(
          basePointer,
          base.length,
          overlayPointer,
          overlay.length,
          out,
          size,
          fault,
        ),
    );
  });
}

/** Whether a node is there. */
export function fdtHas(tree: Uint8Array, place: FdtPlace): Promise<boolean> {
  return call(tree.length, (use) => {
    try {
      use.find(use.put(tree), tree.length, place);
      return true;
    } catch (error) {
      if (error instanceof FdtFault && error.reason === "no-node") return false;
      throw error;
    }
  });
}

/** The value of a property; `undefined` when the node does not have it. */
export function fdtGet(
  tree: Uint8Array,
  place: FdtPlace,
  name: string,
): Promise<Bytes | undefined> {
  return call(tree.length, (use) => {
    const pointer = use.put(tree);
    const node = use.find(pointer, tree.length, place);
    const text = textBytes(name);
    const out = use.memory.take(8);
    try {
      use.judge(use.core.exports.fb_fdt_get(
        pointer,
        tree.length,
        node,
        use.put(text),
        text.length,
        out,
        use.fault,
      ));
    } catch (error) {
      if (error instanceof FdtFault && error.reason === "no-property") {
        return undefined;
      }
      throw error;
    }
    const [offset, size] = new Uint32Array(use.core.memory.buffer, out, 2);
    return use.core.view(pointer + offset!, size!).slice();
  });
}

/** Sets a property, which the node may have already; the result is packed. */
export function fdtSet(
  tree: Uint8Array,
  place: FdtPlace,
  name: string,
  value: Uint8Array,
  maxSize: number,
): Promise<Bytes> {
  return call(2 * tree.length, (use) => {
    const pointer = use.put(tree);
    const node = use.find(pointer, tree.length, place);
    const namePointer = use.put(textBytes(name));
    const valuePointer = use.put(value);
    return use.grow(
      tree.length + name.length + value.length + 64,
      maxSize,
      (out, size, fault) =>
        use.core.exports.fb_fdt_set(
          pointer,
          tree.length,
          node,
          namePointer,
          valuePointer,
          value.length,
          out,
          size,
          fault,
        ),
    );
  });
}

async function call<T>(need: number, run: (use: Use) => T): Promise<T> {
  const core = await codecCore(need);
  return withMemory(core, (memory) => run(new Use(core, memory)));
}

/** One call's memory, and what its status means. */
class Use {
  readonly core: Core;
  readonly memory: CallMemory;
  readonly fault: number;

  constructor(core: Core, memory: CallMemory) {
    this.core = core;
    this.memory = memory;
    this.fault = memory.take(FDT_FAULT_SIZE);
  }

  put(bytes: Uint8Array): number {
    return this.memory.put(bytes);
  }

  check(tree: number, size: number): number {
    return this.judge(this.core.exports.fb_fdt_check(tree, size, this.fault));
  }

  find(tree: number, size: number, place: FdtPlace): number {
    const byPath = "path" in place;
    const text = textBytes(byPath ? place.path : place.compatible);
    return this.judge(
      this.core.exports.fb_fdt_find(
        tree,
        size,
        byPath ? 0 : 1,
        this.put(text),
        text.length,
        this.fault,
      ),
    );
  }

  /** Runs with `size` bytes of output, then with ever more up to twice `maxSize`, which unpacked trees may need. */
  grow(
    size: number,
    maxSize: number,
    run: (out: number, size: number, fault: number) => number,
  ): Bytes {
    for (;; size *= 2) {
      const room = Math.min(size, 2 * maxSize);
      const out = this.memory.take(room);
      const status = run(out, room, this.fault);
      if (status !== Status.OUTPUT_LIMIT) {
        const made = this.judge(status);
        if (made > maxSize) throw new FdtFault("result-too-large");
        return this.core.view(out, made).slice();
      }
      if (room < size) throw new FdtFault("result-too-large");
      this.memory.drop(out);
    }
  }

  /** Gives `status` back when it is no error. */
  judge(status: number): number {
    if (status >= 0) return status;
    if (status === Status.NO_MEMORY) {
      throw new CoreError(
        "wasm.no-memory",
        "Cannot read a device tree: linear memory cannot grow as far as is needed",
      );
    }
    if (status !== Status.DAMAGED) {
      throw new TypeError(`Cannot call libfdt: status ${status}, bad argument`);
    }
    const bytes = this.core.view(this.fault, FDT_FAULT_SIZE);
    const [reason, error, inOverlay] = new Uint32Array(
      this.core.memory.buffer,
      this.fault,
      3,
    );
    const text = bytes.subarray(12);
    throw new FdtFault(REASONS[reason!] ?? "bad-tree", {
      libfdt: LIBFDT_ERRORS[error!],
      inOverlay: inOverlay !== 0,
      text: printable(text.subarray(0, text.indexOf(0))),
    });
  }
}

function textBytes(text: string): Uint8Array {
  if (text === "" || text.includes("\0")) {
    throw new RangeError(
      `Cannot look for "${text}" in a device tree: expected text without zeros`,
    );
  }
  return new TextEncoder().encode(`${text}\0`);
}

/** Text out of a tree, fit for a message. */
function printable(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

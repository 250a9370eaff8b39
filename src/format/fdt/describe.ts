import { FormatError } from "../../errors.ts";
import { fdtGet, fdtHas, fdtSize } from "../../wasm/fdt.ts";
import { checkDtbSize, treeError, UNNAMED } from "./errors.ts";

/** How a tree is called in messages. */
export interface DtbOptions {
  /** What people call it: its path. */
  readonly name?: string | undefined;
}

/** What {@linkcode describeDtb} finds. */
export interface DtbFacts {
  /** Bytes of the tree itself. */
  readonly size: number;
  /** `model` of the root: what people call the device; absent when the tree does not say. */
  readonly model?: string;
  /** `compatible` of the root, the most specific first. */
  readonly compatible: readonly string[];
  /** It has `__symbols__`: overlays can refer to its labels. */
  readonly symbols: boolean;
}

/**
 * Checks that bytes are a whole flattened device tree, version 16 or 17, of at most 4 MiB and 64 levels.
 *
 * @returns The tree alone: a view of `bytes` without what may follow it.
 * @throws {FormatError} `fdt.bad-magic`, `fdt.truncated`, `fdt.unsupported`, `fdt.damaged`,
 * `fdt.too-large`, `fdt.too-deep`, `fdt.too-much-work`
 * @see Devicetree Specification 0.4, chapter 5
 */
export async function checkDtb(
  bytes: Uint8Array,
  options: DtbOptions = {},
): Promise<Uint8Array> {
  const name = options.name ?? UNNAMED;
  checkDtbSize(name, bytes.length);
  try {
    return bytes.subarray(0, await fdtSize(bytes));
  } catch (error) {
    throw treeError(name, bytes, error);
  }
}

/**
 * Tells what device a tree is for.
 *
 * @throws {FormatError} as {@linkcode checkDtb}; `fdt.damaged` when `model` or `compatible` is no text
 *
 * @example
 * ```ts
 * import { describeDtb } from "./describe.ts";
 * import { isCoded } from "../../errors.ts";
 *
 * const failure = await describeDtb(new Uint8Array(64)).catch((error) => error);
 * console.assert(isCoded(failure, "fdt.bad-magic"));
 * ```
 */
export async function describeDtb(
  bytes: Uint8Array,
  options: DtbOptions = {},
): Promise<DtbFacts> {
  const tree = await checkDtb(bytes, options);
  const texts = async (property: string) => {
    const value = await fdtGet(tree, { path: "/" }, property);
    if (value === undefined || value.length === 0) return [];
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(value);
      if (text.endsWith("\0")) return text.slice(0, -1).split("\0");
    } catch {
      // said below
    }
    const name = options.name ?? UNNAMED;
    throw new FormatError(
      "fdt.damaged",
      `Cannot read device tree "${name}": "${property}" of its root is no text; the file may be damaged`,
      { facts: { name, property } },
    );
  };
  const [model] = await texts("model");
  return {
    size: tree.length,
    ...(model === undefined ? {} : { model }),
    compatible: await texts("compatible"),
    symbols: await fdtHas(tree, { path: "/__symbols__" }),
  };
}

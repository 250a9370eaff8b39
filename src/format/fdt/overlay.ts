import { type ErrorCode, FormatError } from "../../errors.ts";
import { fdtApply, FdtFault } from "../../wasm/fdt.ts";
import { checkDtb, type DtbOptions } from "./describe.ts";
import { MAX_DTB_SIZE, UNNAMED } from "./errors.ts";

/** An overlay to apply. */
export interface Overlay {
  /** What people call it, for messages: its path. */
  readonly name: string;
  /** The flattened overlay, as `dtc` makes it of a `/plugin/`. */
  readonly bytes: Uint8Array;
}

/** How {@linkcode applyOverlays} works. */
export interface OverlayOptions extends DtbOptions {
  /** Stops between overlays; rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Applies overlays to a device tree, one after the other, as `fdtoverlay` does: fragments with `target`
 * or `target-path`, labels of the base, phandles, symbols for the overlays that follow.
 *
 * @returns The packed result, byte for byte that of `fdtoverlay` of dtc 1.7.2; without overlays a copy of
 * the tree as it is. At most 4 MiB.
 * @throws {FormatError} of base or overlay as {@linkcode checkDtb}; and of an overlay, each with its name
 * and what libfdt says, `fdt.no-symbols` (the base has no labels), `fdt.no-label`, `fdt.bad-label` (a
 * label that leads nowhere), `fdt.no-target`, `fdt.empty-overlay` (no `__overlay__`: it may be a whole
 * device tree), `fdt.bad-fixup`, `fdt.bad-overlay`, `fdt.too-much-work`, `fdt.too-large`
 * @see dtc, Documentation/dt-object-internal.txt
 */
export async function applyOverlays(
  dtb: Uint8Array,
  overlays: readonly Overlay[],
  options: OverlayOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const name = options.name ?? UNNAMED;
  let tree = (await checkDtb(dtb, options)).slice() as Uint8Array<ArrayBuffer>;
  for (const [at, overlay] of overlays.entries()) {
    options.signal?.throwIfAborted();
    const bytes = await checkDtb(overlay.bytes, { name: overlay.name });
    try {
      tree = await fdtApply(tree, bytes, MAX_DTB_SIZE);
    } catch (error) {
      if (!(error instanceof FdtFault)) throw error;
      const place = overlays.length > 1
        ? ` (${at + 1} of ${overlays.length})`
        : "";
      const { code, text } = explain(error);
      const { libfdt } = error;
      throw new FormatError(
        code,
        `Cannot apply overlay "${overlay.name}"${place} to "${name}": ${
          libfdt === undefined ? text : text.replace(/;|$/, ` (${libfdt})$&`)
        }`,
        {
          facts: {
            overlay: overlay.name,
            base: name,
            libfdt,
            about: error.text || undefined,
          },
          cause: error,
        },
      );
    }
  }
  return tree;
}

function explain(
  { reason, text }: FdtFault,
): { readonly code: ErrorCode; readonly text: string } {
  switch (reason) {
    case "no-symbols":
      return {
        code: "fdt.no-symbols",
        text:
          `the base has no __symbols__ to find label "${text}" in; use a base made with "dtc -@", or an overlay with target-path`,
      };
    case "no-label":
      return {
        code: "fdt.no-label",
        text:
          `the base has no label "${text}"; check that the overlay is made for this device`,
      };
    case "bad-label":
      return {
        code: "fdt.bad-label",
        text:
          `label "${text}" of the base leads to no node with a phandle; the base may be damaged`,
      };
    case "no-target":
      return {
        code: "fdt.no-target",
        text: text.startsWith("/")
          ? `the base has no node "${text}"; check that the overlay is made for this device`
          : `the target of its "${text}" is not in the base; check that the overlay is made for this device`,
      };
    case "nothing-to-apply":
      return {
        code: "fdt.empty-overlay",
        text:
          "none of its nodes has an __overlay__, expected one at least; check that it is an overlay, not a device tree",
      };
    case "bad-fixup":
    case "bad-local-fixup":
      return {
        code: "fdt.bad-fixup",
        text: `its ${
          reason === "bad-fixup" ? "__fixups__" : "__local_fixups__"
        } for "${text}" name a place that it does not have; the file may be damaged`,
      };
    case "too-much-work":
      return {
        code: "fdt.too-much-work",
        text:
          "applying it takes longer than that of any overlay in use; the file may be damaged",
      };
    case "too-deep":
    case "result-too-large":
      return {
        code: reason === "too-deep" ? "fdt.too-deep" : "fdt.too-large",
        text: reason === "too-deep"
          ? "the result has nodes deeper than Linux reads, expected at most 64 levels"
          : `the result is larger than any tree in use, expected at most ${MAX_DTB_SIZE} bytes`,
      };
    default:
      return {
        code: "fdt.bad-overlay",
        text: `libfdt refuses it${
          text === "" ? "" : ` at "${text}"`
        }; the file may be damaged`,
      };
  }
}

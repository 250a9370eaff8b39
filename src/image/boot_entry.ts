/**
 * Boot loader entries: text files that say which kernel to boot, and how.
 *
 * @module
 */

import { compareVersions } from "../bytes/version.ts";

/** A boot loader entry (UAPI.1 Boot Loader Specification, type #1). Paths as the entry has them. */
export interface BootEntry {
  /** Name of its file, without `.conf`. */
  readonly id: string;
  /** What people read. */
  readonly title?: string;
  /** Version of the kernel, as a rule. */
  readonly version?: string;
  /** The installation it belongs to. */
  readonly machineId?: string;
  /** What it is sorted by first. */
  readonly sortKey?: string;
  /** Architecture, in the words of UEFI: `aa64`. */
  readonly architecture?: string;
  /** The kernel; absent in entries of other EFI programs. */
  readonly linux?: string;
  /** Initramfs archives, in their order. */
  readonly initrd: readonly string[];
  /** Kernel command line, all `options` joined by spaces. */
  readonly options: string;
  /** The device tree. */
  readonly devicetree?: string;
  /** Device tree overlays, in their order. */
  readonly devicetreeOverlays: readonly string[];
}

/**
 * Parses a boot loader entry. Lines with keys that are not known, and comments, are left out.
 *
 * @param id Name of its file, without `.conf`.
 *
 * @example
 * ```ts
 * import { parseBootEntry } from "./boot_entry.ts";
 *
 * const entry = parseBootEntry("debian", "linux /vmlinuz\noptions quiet\noptions splash\n");
 * console.assert(entry.options === "quiet splash");
 * ```
 */
export function parseBootEntry(id: string, text: string): BootEntry {
  const values = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, key, value] = /^\s*([^\s#]\S*)\s+(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || !value) continue;
    values.set(key, [...values.get(key) ?? [], value]);
  }
  const words = (key: string) =>
    (values.get(key) ?? []).flatMap((value) => value.split(/\s+/));
  const last = <K extends string>(key: string, name: K) => {
    const value = values.get(key)?.at(-1);
    return (value === undefined ? {} : { [name]: value }) as {
      readonly [key in K]?: string;
    };
  };
  return {
    id,
    ...last("title", "title"),
    ...last("version", "version"),
    ...last("machine-id", "machineId"),
    ...last("sort-key", "sortKey"),
    ...last("architecture", "architecture"),
    ...last("linux", "linux"),
    initrd: words("initrd"),
    options: (values.get("options") ?? []).join(" "),
    ...last("devicetree", "devicetree"),
    devicetreeOverlays: words("devicetree-overlay"),
  };
}

/** Puts the entry that a boot loader boots first, first. For `sort()`. */
export function compareBootEntries(a: BootEntry, b: BootEntry): number {
  const bad = Number(isBad(a)) - Number(isBad(b));
  if (bad !== 0) return bad;
  const keyless = Number(a.sortKey === undefined) -
    Number(b.sortKey === undefined);
  if (keyless !== 0) return keyless;
  if (a.sortKey !== undefined) {
    const order = compareText(a.sortKey, b.sortKey) ||
      compareText(a.machineId, b.machineId) ||
      compareVersions(b.version ?? "", a.version ?? "");
    if (order !== 0) return order;
  }
  return compareVersions(b.id, a.id) || compareText(b.id, a.id);
}

/** Boot counting found that it does not boot: no tries are left. */
function isBad({ id }: BootEntry): boolean {
  return /\+0+(?:-\d+)?$/.test(id);
}

function compareText(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

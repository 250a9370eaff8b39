/**
 * What a folder of kernel modules says of itself: which device each drives, what each needs.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** The modules of one kernel release. Names have `_`, as the kernel prints them. */
export interface ModuleTree {
  /** Modules that drive a device tree `compatible`. */
  modulesOf(compatible: string): readonly string[];
  /** The kernel image itself names it, as only a driver's table does. */
  inKernel(compatible: string): boolean;
  /** The modules and all they need. */
  closure(modules: readonly string[]): readonly string[];
}

/** Reads the indexes of the one kernel below an image's root, and the kernel. */
export async function readModuleTree(root: string): Promise<ModuleTree> {
  const folders = join(root, "usr/lib/modules");
  const [release, ...others] = await readdir(folders);
  if (release === undefined || others.length > 0) {
    throw new Error(
      `Cannot use "${folders}": found ${
        release === undefined ? "nothing" : `${1 + others.length} releases`
      }, expected the modules of one kernel`,
    );
  }
  const text = (name: string) => readFile(join(folders, release, name), "utf8");
  const kernel = unwrapKernel(
    await readFile(join(root, "boot", `vmlinuz-${release}`)),
  );
  const modules = new Map<string, string[]>();
  for (const line of (await text("modules.alias")).split("\n")) {
    const [, pattern, module] = /^alias (of:\S+) (\S+)$/.exec(line) ?? [];
    if (pattern !== undefined) add(modules, pattern, module!);
  }
  const needs = new Map<string, string[]>();
  for (const line of (await text("modules.dep")).split("\n")) {
    const [path, list] = line.split(":");
    if (list === undefined) continue;
    needs.set(
      nameOf(path!),
      list.trim().split(/\s+/).filter(Boolean).map(nameOf),
    );
  }
  return {
    modulesOf: (compatible) => modules.get(compatible) ?? [],
    inKernel: (compatible) => kernel.includes(`\0${compatible}\0`),
    closure: (names) => [
      ...new Set(names.flatMap((name) => [...needs.get(name) ?? [], name])),
    ],
  };
}

/** `of:N*T*Cqcom,dwc3C*` says `qcom,dwc3`; each is there with and without `C*` for what follows. */
function add(
  into: Map<string, string[]>,
  pattern: string,
  module: string,
): void {
  const compatible = /^of:N[^C]*T[^C]*C(.+?)(?:C?\*)?$/.exec(pattern)?.[1];
  if (compatible === undefined) return;
  const name = module.replaceAll("-", "_");
  const known = into.get(compatible) ?? [];
  if (!known.includes(name)) into.set(compatible, [...known, name]);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1)
    .replace(/\.ko(?:\.\w+)?$/, "").replaceAll("-", "_");
}

/** The kernel as it will be in memory: `Image`, alone, in gzip, or in an EFI zboot with gzip. */
function unwrapKernel(file: Buffer): Buffer {
  if (file.toString("latin1", 4, 8) === "zimg") {
    const start = file.readUInt32LE(8);
    return unwrapKernel(file.subarray(start, start + file.readUInt32LE(12)));
  }
  if (file.readUInt16BE(0) === 0x1f8b) return gunzipSync(file);
  if (file.toString("latin1", 56, 60) === "ARM\x64") return file;
  throw new Error(
    "Cannot read the kernel: expected an arm64 Image, alone or in gzip",
  );
}

/**
 * The kernel modules that go into the initramfs, in the order to load them.
 *
 * @module
 */

import type { ReadOptions } from "../block/reader.ts";
import { findNearest } from "../device/nearest.ts";
import { FormatError } from "../errors.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import {
  foldModuleName,
  type ModuleIndex,
  moduleNameOf,
  openModuleIndex,
} from "./module_index.ts";

/** A module that something asks for. */
export interface WantedModule {
  /** Its name, with `-` or `_`, or one of its aliases. */
  readonly name: string;
  /** What asks for it, for messages: `profile oneplus-fajita`. */
  readonly wantedBy: string;
}

/** A module to load. */
export interface KernelModule {
  /** As the kernel calls it: with `_`. */
  readonly name: string;
  /** Its file in the image, without links in the folder's part. */
  readonly path: string;
  /** Its file relative to the folder of modules, as `modules.dep` has it. */
  readonly file: string;
  /** What asked for it first; of a dependency, the module that needs it. */
  readonly wantedBy: string;
}

/** What {@linkcode resolveModules} finds. */
export interface ResolvedModules {
  /** Of the kernel. */
  readonly release: string;
  /** Folder of its modules, without links. */
  readonly folder: string;
  /** Each once, in the order to load them: what a module needs comes before it. */
  readonly load: readonly KernelModule[];
  /** What is asked for or needed and is built into the kernel, each once. */
  readonly builtin: readonly WantedModule[];
}

/** What stage0 cannot do without, and why. Reference: stage0's steps in docs/DESIGN.md. */
const BASE: readonly (readonly [name: string, why: string])[] = [
  ["configfs", "to set the USB gadget up"],
  ["libcomposite", "to set the USB gadget up"],
  ["usb_f_fs", "to serve the gadget's function from user space"],
  ["ublk_drv", "to make what the host sends a block device"],
  ["overlay", "to make the root writable in memory"],
];

/** File systems that a root may have, each the name of its module. */
export type RootFileSystem = "erofs" | "ext4" | "squashfs";

/**
 * The modules that stage0 needs on every phone.
 *
 * @param options.rootFileSystem That of the image.
 * @param options.serial The gadget also offers a serial console.
 */
export function baseModules(
  options: {
    readonly rootFileSystem: RootFileSystem;
    readonly serial?: boolean;
  },
): WantedModule[] {
  const list = [
    ...BASE,
    [options.rootFileSystem, "to mount the root"] as const,
    ...options.serial ? [["usb_f_acm", "for the serial console"] as const] : [],
  ];
  return list.map(([name, why]) => ({ name, wantedBy: `stage0, ${why}` }));
}

/**
 * Finds all that is needed to load the modules asked for, in the order to load it.
 *
 * The order is that of modprobe (kmod 30) called for one after another: what a module needs as
 * `modules.dep` lists it, soft dependencies before and after it as the first line of
 * `modules.softdep` for it has them. Soft dependencies that do not exist are left out, as modprobe
 * does. Names are folded (`-` is `_`); an alias counts by its exact name only. What the image
 * configures in `modprobe.d` is not looked at, and firmware is never part of it.
 *
 * @throws {FormatError} `module.missing` with what asked for it and the nearest names,
 * `module.no-folder`, `module.no-index`, `module.damaged-index`
 */
export async function resolveModules(
  files: FileSystem,
  release: string,
  wanted: Iterable<WantedModule>,
  options?: ReadOptions,
): Promise<ResolvedModules> {
  const index = await openModuleIndex(files, release, options);
  const load = new Map<string, KernelModule>();
  const builtin = new Map<string, WantedModule>();
  for (const { name, wantedBy } of wanted) {
    options?.signal?.throwIfAborted();
    const names = await lookUp(index, name, "wanted");
    if (names.length === 0) throw missing(index, { name, wantedBy });
    for (const first of names) {
      const list = new ProbeList(index);
      await list.probe(first, wantedBy);
      for (const step of list.steps) {
        const module = index.modules.get(step.name);
        if (module === undefined) {
          if (!builtin.has(step.name)) builtin.set(step.name, step);
        } else if (!load.has(step.name)) {
          const path = module.file.startsWith("/")
            ? module.file
            : `${index.folder}/${module.file}`;
          load.set(step.name, { ...step, path, file: module.file });
        }
      }
    }
  }
  // all at once: from a server, each look takes a while
  const inodes = await Promise.all(
    [...load.values()].map(({ path }) => files.find(path, options)),
  );
  for (const [i, { name, path, wantedBy }] of [...load.values()].entries()) {
    if (inodes[i]?.type === "file") continue;
    throw new FormatError(
      "module.missing",
      `Cannot find module "${name}" of release ${release}, wanted by ${wantedBy}: modules.dep names "${path}", which is not there`,
      { facts: { name, wantedBy, release, path } },
    );
  }
  return {
    release,
    folder: index.folder,
    load: [...load.values()],
    builtin: [...builtin.values()],
  };
}

/** The names of modules that `name` means: itself, or those it is an alias of. As kmod looks up. */
async function lookUp(
  index: ModuleIndex,
  name: string,
  as: "wanted" | "soft",
): Promise<readonly string[]> {
  const folded = foldModuleName(name);
  if (index.modules.has(folded)) return [folded];
  // kmod asks for aliases first. Few modules are built in under the name of another one's alias,
  // and the aliases are the largest index of all: they are read for soft dependencies alone.
  if (as === "wanted" && index.builtin.has(folded)) return [folded];
  const aliased = (await index.aliases()).get(folded)
    ?.filter((name) => index.modules.has(name) || index.builtin.has(name));
  if (aliased !== undefined && aliased.length > 0) return aliased;
  if (index.builtin.has(folded)) return [folded];
  return (await index.builtinAliases()).get(folded) ?? [];
}

/** `kmod_module_get_probe_list()` of kmod, libkmod/libkmod-module.c, for one module. */
class ProbeList {
  /** Modules in the order to load them, some more than once. */
  readonly steps: WantedModule[] = [];
  readonly #index: ModuleIndex;
  readonly #visited = new Set<string>();

  constructor(index: ModuleIndex) {
    this.#index = index;
  }

  async probe(name: string, wantedBy: string): Promise<void> {
    if (this.#visited.has(name)) return;
    this.#visited.add(name);
    const needs = this.#index.modules.get(name)?.needs ?? [];
    for (const file of [...needs].reverse()) {
      const need = moduleNameOf(file);
      if (!this.#index.modules.has(need)) {
        throw missing(this.#index, { name: need, wantedBy: `module ${name}` });
      }
      await this.#withSoft(need, `module ${name}`);
    }
    await this.#withSoft(name, wantedBy);
  }

  async #withSoft(name: string, wantedBy: string): Promise<void> {
    const { pre = [], post = [] } = this.#index.soft.get(name) ?? {};
    const soft = async (list: readonly string[]) => {
      for (const other of list) {
        for (const found of await lookUp(this.#index, other, "soft")) {
          await this.probe(found, `module ${name}`);
        }
      }
    };
    await soft(pre);
    this.steps.push({ name, wantedBy });
    await soft(post);
  }
}

function missing(index: ModuleIndex, wanted: WantedModule): FormatError {
  const { release, folder } = index;
  const { name, wantedBy } = wanted;
  const names = new Set([...index.modules.keys(), ...index.builtin]);
  const nearest: string[] = [];
  while (nearest.length < 3) {
    const next = findNearest(name, names);
    if (next === undefined) break;
    nearest.push(next);
    names.delete(next);
  }
  const near = nearest.length === 0
    ? "no name is near to it"
    : `nearest are ${nearest.join(", ")}`;
  return new FormatError(
    "module.missing",
    `Cannot find module "${name}" of release ${release}, wanted by ${wantedBy}: "${folder}" has it neither as a module, as an alias nor built in; ${near}`,
    {
      facts: { name, wantedBy, release, folder, nearest: nearest.join() },
    },
  );
}

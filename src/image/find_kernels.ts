/**
 * Kernels in an image, wherever distributions put them.
 *
 * @module
 */

import { readExactly } from "../block/read_exactly.ts";
import type { ReadOptions } from "../block/reader.ts";
import { decodeName } from "../bytes/text.ts";
import { compareVersions } from "../bytes/version.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { namesIn } from "../fs/names.ts";
import {
  type BootEntry,
  compareBootEntries,
  parseBootEntry,
} from "./boot_entry.ts";

/**
 * How a kernel was found: in a folder of modules, by a boot loader entry, by its name in `/boot` or
 * at the top, as a unified kernel image, where live media have it, or somewhere below `/boot`.
 */
export type KernelOrigin =
  | "modules"
  | "entry"
  | "boot"
  | "top"
  | "uki"
  | "live"
  | "below-boot";

/** A file that should be a kernel. It was not read. */
export interface KernelCandidate {
  /** Where it is, without links. */
  readonly path: string;
  /** How it was found first, in the order of {@linkcode KernelOrigin}. */
  readonly origin: KernelOrigin;
  /** Release as its place or name states it; absent where that is none, `/boot/vmlinuz`. */
  readonly release?: string;
  /** The boot loader entry that names it. */
  readonly entry?: BootEntry;
}

/** What {@linkcode findKernels} finds. */
export interface FoundKernels {
  /**
   * Newest first by stated release, those without one last; among equals in the order of
   * {@linkcode KernelOrigin}.
   */
  readonly candidates: readonly KernelCandidate[];
  /** Folders of modules by release, without links; `/usr/lib/modules` before `/lib/modules`. */
  readonly modules: ReadonlyMap<string, string>;
  /** Boot loader entries, the one to boot first, first. */
  readonly entries: readonly BootEntry[];
  /** Where kernels were looked for, for messages. */
  readonly looked: readonly string[];
}

const MODULE_FOLDERS = ["/usr/lib/modules", "/lib/modules"];
/** Folders of boot loader entries, and where the paths in them may start. */
const ENTRY_FOLDERS = [
  ["/boot/loader/entries", ["/boot", ""]],
  ["/loader/entries", [""]],
  ["/boot/efi/loader/entries", ["/boot/efi", "/boot", ""]],
  ["/efi/loader/entries", ["/efi", "/boot", ""]],
] as const;
/** Of live media: Debian, Ubuntu, Fedora and others; Arch has a folder for each architecture. */
const LIVE_FOLDERS = ["/live", "/casper", "/images/pxeboot", "/isolinux"];
const ARCH_FOLDERS = ["/arch/boot/aarch64", "/arch/boot/x86_64"];
const UKI_FOLDERS = ["/boot/EFI/Linux", "/EFI/Linux", "/efi/EFI/Linux"];
/** `vmlinuz`, `vmlinuz-6.12.1`, `Image.gz`, `linux.efi` and so on. */
const KERNEL_NAME = /^(?:vmlinu[xz]|[zu]?Image|linux|kernel)(?:[-.].+)?$/;
/** What only looks like one: check sums, signatures, configurations, copies. */
const OTHER_NAME =
  /\.(?:hmac|sig|p7s|p7b|sha\d*|asc|old|bak|orig|dtb|config|conf|map|img|txt)$|(?:^|[-.])initr/;
const RELEASE_IN_NAME =
  /^(?:vmlinu[xz]|[zu]?Image|linux|kernel)-(\d.*?)(?:\.(?:efi|gz|lz4|zst|xz))?$/;
const RESCUE = /rescue/;
const DEPTH = 3;
const MAX_ENTRY_SIZE = 64 << 10;

/**
 * Finds the kernels in an image by the places and names in use: `/usr/lib/modules/RELEASE/vmlinuz`,
 * `/boot/vmlinuz-RELEASE`, `/boot/Image`, boot loader entries, unified kernel images, `/vmlinuz`;
 * when there is none of these, such names in folders of `/boot` down to the third level. Rescue
 * kernels are left out.
 *
 * Reads directories and boot loader entries, no kernels.
 *
 * @throws {FormatError} what the format throws when a directory is damaged
 */
export async function findKernels(
  files: FileSystem,
  options?: ReadOptions,
): Promise<FoundKernels> {
  const search = new Search(files, options);
  const modules = await search.modules();
  for (const [release, folder] of modules) {
    if (RESCUE.test(release)) continue;
    for (const name of ["vmlinuz", "Image", "Image.gz", "vmlinuz.efi"]) {
      await search.add(`${folder}/${name}`, "modules", { release });
    }
  }
  const entries = await search.entries();
  await search.named("/boot", "boot");
  await search.named("/", "top");
  for (const folder of UKI_FOLDERS) {
    for (const name of await search.names(folder)) {
      if (!name.endsWith(".efi") || RESCUE.test(name)) continue;
      await search.add(`${folder}/${name}`, "uki", {});
    }
  }
  for (const folder of [...LIVE_FOLDERS, ...ARCH_FOLDERS]) {
    await search.named(folder, "live");
  }
  if (search.found.size === 0) await search.below("/boot", DEPTH);
  return {
    candidates: search.candidates(),
    modules,
    entries,
    looked: [
      ...MODULE_FOLDERS.map((folder) => `${folder}/*/vmlinuz`),
      ...ENTRY_FOLDERS.map(([folder]) => `${folder}/*.conf`),
      "/boot/vmlinuz*",
      "/boot/Image*",
      "/boot/linux*",
      "/vmlinuz*",
      ...UKI_FOLDERS.map((folder) => `${folder}/*.efi`),
      ...LIVE_FOLDERS.map((folder) => `${folder}/vmlinuz*`),
      `/boot/**/{vmlinuz,Image,linux}*`,
    ],
  };
}

class Search {
  readonly found = new Map<string, KernelCandidate>();
  readonly #files: FileSystem;
  readonly #options: ReadOptions | undefined;

  constructor(files: FileSystem, options: ReadOptions | undefined) {
    this.#files = files;
    this.#options = options;
  }

  /** Newest first; stable, so that those found first come first among equals. */
  candidates(): KernelCandidate[] {
    return [...this.found.values()].sort((a, b) =>
      a.release === undefined || b.release === undefined
        ? Number(a.release === undefined) - Number(b.release === undefined)
        : compareVersions(b.release, a.release)
    );
  }

  async modules(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const folder of MODULE_FOLDERS) {
      for (const name of await this.names(folder)) {
        const path = `${folder}/${name}`;
        if (found.has(name) || !(await this.#is(path, "directory"))) continue;
        found.set(name, await this.#files.resolve(path, this.#options));
      }
    }
    return found;
  }

  async entries(): Promise<BootEntry[]> {
    const list: { entry: BootEntry; starts: readonly string[] }[] = [];
    const seen = new Set<string>();
    for (const [folder, starts] of ENTRY_FOLDERS) {
      for (const name of await this.names(folder)) {
        const path = `${folder}/${name}`;
        if (!name.endsWith(".conf") || !(await this.#is(path, "file"))) {
          continue;
        }
        const real = await this.#files.resolve(path, this.#options);
        if (seen.has(real)) continue;
        seen.add(real);
        const text = await this.#text(path);
        const entry = parseBootEntry(name.slice(0, -".conf".length), text);
        if (isForPhones(entry)) list.push({ entry, starts });
      }
    }
    list.sort((a, b) => compareBootEntries(a.entry, b.entry));
    for (const { entry, starts } of list) {
      const { linux, version, id, title = "" } = entry;
      if (linux === undefined || RESCUE.test(`${id} ${linux} ${title}`)) {
        continue;
      }
      const facts = version !== undefined && /^\d/.test(version)
        ? { entry, release: version }
        : { entry };
      for (const start of starts) {
        const path = `${start}/${linux.replace(/^\/+/, "")}`;
        if (await this.add(path, "entry", facts)) break;
      }
    }
    return list.map(({ entry }) => entry);
  }

  /** Adds the files of a folder that are named as kernels are. */
  async named(folder: string, origin: KernelOrigin): Promise<void> {
    for (const name of await this.names(folder)) {
      if (!isKernelName(name)) continue;
      await this.add(`${folder === "/" ? "" : folder}/${name}`, origin, {});
    }
  }

  async below(folder: string, depth: number): Promise<void> {
    for (const name of await this.names(folder)) {
      const path = `${folder}/${name}`;
      // Not `stat`: a link that leads up would be followed again at each level.
      const { type } = await this.#files.lstat(path, this.#options);
      if (type !== "directory") continue;
      await this.named(path, "below-boot");
      if (depth > 1) await this.below(path, depth - 1);
    }
  }

  /** Adds what is known of a file; tells whether there is one. */
  async add(
    path: string,
    origin: KernelOrigin,
    facts: { release?: string; entry?: BootEntry },
  ): Promise<boolean> {
    if (!(await this.#is(path, "file"))) return false;
    const real = await this.#files.resolve(path, this.#options);
    const known = this.found.get(real) ?? { path: real, origin };
    // Of a link, both names: /vmlinuz leads to /boot/vmlinuz-RELEASE.
    const release = releaseInName(real) ?? releaseInName(path);
    this.found.set(real, {
      ...facts,
      ...(release === undefined || facts.release !== undefined
        ? {}
        : { release }),
      ...known,
    });
    return true;
  }

  names(folder: string): Promise<string[]> {
    return namesIn(this.#files, folder, this.#options);
  }

  async #is(path: string, type: "file" | "directory"): Promise<boolean> {
    return (await this.#files.find(path, this.#options))?.type === type;
  }

  async #text(path: string): Promise<string> {
    const file = await this.#files.open(path, this.#options);
    const size = Math.min(file.size, MAX_ENTRY_SIZE);
    return decodeName(await readExactly(file, 0, size, this.#options));
  }
}

function releaseInName(path: string): string | undefined {
  return RELEASE_IN_NAME.exec(path.slice(path.lastIndexOf("/") + 1))?.[1];
}

function isKernelName(name: string): boolean {
  return KERNEL_NAME.test(name) && !OTHER_NAME.test(name) &&
    !RESCUE.test(name);
}

/** Tells whether an entry may be for a phone, or for the virtual phone. */
function isForPhones({ architecture }: BootEntry): boolean {
  return architecture === undefined || /^(?:aa64|x64)$/i.test(architecture);
}

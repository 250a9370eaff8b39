/**
 * Builds the initramfs that brings stage0 to the phone.
 *
 * @module
 */

import { encodeName } from "../bytes/text.ts";
import { FormatError } from "../errors.ts";
import { readCpio } from "../format/cpio/read.ts";
import {
  type CpioEntry,
  gzip,
  lz4LegacyEncode,
  packCpio,
  zstdEncode,
} from "../wasm/codecs.ts";
import { InitramfsTree, type Override } from "./initramfs_tree.ts";
import type { Settings } from "./settings.ts";
import { checkStage0, type Machine } from "./stage0_binary.ts";

/** How an initramfs is stored: the kernel unpacks it itself. LZ4 is the legacy form it demands. */
export type InitramfsCompression = "none" | "gzip" | "lz4" | "zstd";

/** A kernel module with its bytes. */
export interface InitramfsModule {
  /** Its file relative to the folder of modules: `kernel/fs/erofs/erofs.ko`. */
  readonly file: string;
  /** As the kernel is to load it. */
  readonly bytes: Uint8Array;
}

/** An archive whose entries count instead of ours. */
export interface AugmentArchive {
  /** What messages call it: its file name. */
  readonly name: string;
  /** What `readCpio()` reads. */
  readonly bytes: Uint8Array;
}

/** All that decides what an initramfs holds. */
export interface InitramfsInput {
  /** The program that becomes `/init`; may be absent when an archive brings one. */
  readonly stage0?: Uint8Array;
  /** Of the phone: what stage0 must be built for. */
  readonly machine: Machine;
  /** What stage0 is told. */
  readonly settings: Settings;
  /** Of the kernel that is booted. */
  readonly modules: {
    /** Of the kernel, as `uname -r` gives it. */
    readonly release: string;
    /** In the order to load them. */
    readonly load: readonly InitramfsModule[];
  };
  /** Later ones count more. */
  readonly augments?: readonly AugmentArchive[];
  /** Bytes of each archive, unpacked, at which it fails; default 512 MiB. */
  readonly maxAugmentSize?: number;
  /** Default `none`. */
  readonly compression?: InitramfsCompression;
}

/** One file of an initramfs, for a table of what went in. */
export interface InitramfsRow {
  /** Without a leading slash. */
  readonly path: string;
  /** What it is. */
  readonly type: CpioEntry["type"];
  /** Bytes of its content. */
  readonly size: number;
  /** `stage0`, `settings`, `modules`, `base`, or the name of an archive. */
  readonly source: string;
}

/** An initramfs and what is in it. */
export interface Initramfs {
  /** As stored, compressed or not. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the archive before compression: about what it takes of the phone's memory. */
  readonly unpackedSize: number;
  /** In the order of the archive. */
  readonly rows: readonly InitramfsRow[];
  /** What archives put in the place of something else. */
  readonly overrides: readonly Override[];
}

/** Where stage0 looks for the names of modules, one a line, in the order to load them. */
export const MODULE_LIST_PATH = "etc/modules-load.d/fastboop-stage0.conf";
/** Folder of settings: a file each, with the value and a line end. */
export const SETTINGS_FOLDER = "etc/stage0";

const BASE_FOLDERS = [
  "dev",
  "etc",
  "etc/modules-load.d",
  SETTINGS_FOLDER,
  "lib",
  "lib/modules",
  "proc",
  "run",
  "sys",
];
const DEFAULT_MAX_AUGMENT = 512 << 20;

/**
 * Builds an initramfs. Equal input gives equal bytes.
 *
 * It holds `/init`, empty folders to mount on, `etc/stage0/<key>` for each setting, the modules below
 * `lib/modules/<release>` with a `modules.dep` of their files, and the list in which order to load
 * them. Entries of archives are added and count instead of ours where both have one, with owner, mode,
 * times, links and device numbers as they are; ours belong to root and have time 0. Links that archives
 * have in place of folders are followed: with `lib -> usr/lib`, modules go to `usr/lib`. Directories
 * come first, then all else, each by path. Memory: the data twice, or three times when compressed.
 *
 * @throws {FormatError} `stage0.*` as `checkStage0()`, `cpio.*` as `readCpio()`,
 * `initramfs.no-init`, `initramfs.not-a-directory`, `initramfs.link-loop`
 * @throws {RangeError} for a release or module file that is no plain relative path
 *
 * @example
 * ```ts ignore
 * const { bytes, overrides } = await buildInitramfs({
 *   stage0,
 *   machine: "aarch64",
 *   settings: new Map([["stage0.rootfs", "erofs"]]),
 *   modules: { release: "6.12.0-arm64", load: await readModules(files, load) },
 *   compression: "gzip",
 * });
 * ```
 */
export async function buildInitramfs(
  input: InitramfsInput,
): Promise<Initramfs> {
  const { stage0, machine, augments = [] } = input;
  const tree = new InitramfsTree();
  const maxSize = input.maxAugmentSize ?? DEFAULT_MAX_AUGMENT;
  let groups = 0;
  for (const { name, bytes } of augments) {
    const members = await readCpio(bytes, { maxSize, name });
    let used = groups;
    for (const { offset: _, ...member } of members) {
      const group = member.linkGroup;
      const entry: CpioEntry = group === undefined
        ? member
        : { ...member, linkGroup: groups + group };
      if (group !== undefined) used = Math.max(used, groups + group + 1);
      tree.overwrite(entry, name);
    }
    groups = used;
  }
  if (stage0 !== undefined) {
    checkStage0(stage0, machine);
    const init = { path: "init", type: "file", mode: 0o755 } as const;
    tree.add({ ...init, data: stage0 }, "stage0");
  } else if (!tree.has("init")) {
    throw new FormatError(
      "initramfs.no-init",
      `Cannot build initramfs: there is no stage0 and ${
        augments.length === 0
          ? "no archive to add"
          : `none of ${augments.length} archives has a file "init"`
      }, expected one of them; give a stage0 program`,
    );
  }
  for (const path of BASE_FOLDERS) tree.add({ path, type: "dir" }, "base");
  for (const [key, value] of input.settings) {
    const path = `${SETTINGS_FOLDER}/${key}`;
    tree.add(textFile(path, `${value}\n`), "settings");
  }
  for (const entry of moduleEntries(input.modules)) tree.add(entry, "modules");
  return await pack(tree, input.compression ?? "none");
}

async function pack(
  tree: InitramfsTree,
  compression: InitramfsCompression,
): Promise<Initramfs> {
  const list = tree.list();
  const archive = await packCpio(list.map(({ entry }) => entry), { padTo: 4 });
  return {
    bytes: await compress(archive, compression),
    unpackedSize: archive.length,
    rows: list.map(({ entry, source }) => ({
      path: entry.path,
      type: entry.type,
      size: entry.type === "file" ? entry.data.length : 0,
      source,
    })),
    overrides: tree.overrides,
  };
}

async function compress(
  archive: Uint8Array<ArrayBuffer>,
  compression: InitramfsCompression,
): Promise<Uint8Array<ArrayBuffer>> {
  switch (compression) {
    case "none":
      return archive;
    case "gzip":
      return await gzip(archive);
    case "lz4":
      return await lz4LegacyEncode(archive);
    case "zstd":
      return await zstdEncode(archive);
  }
}

function textFile(path: string, text: string): CpioEntry {
  return { path, type: "file", data: encodeName(text) };
}

/**
 * The modules, their order, and a `modules.dep` by which a name leads to its file. It states no
 * dependencies: the order has them.
 */
function* moduleEntries(
  { release, load }: InitramfsInput["modules"],
): Generator<CpioEntry> {
  checkPath("kernel release", release, 1);
  const folder = `lib/modules/${release}`;
  const files = load.map(({ file }) => file);
  for (const { file, bytes } of load) {
    checkPath("file of a module", file);
    yield { path: `${folder}/${file}`, type: "file", data: bytes };
  }
  const lines = (list: readonly string[]) =>
    list.map((line) => `${line}\n`).join("");
  yield textFile(
    `${folder}/modules.dep`,
    lines(files.map((file) => `${file}:`)),
  );
  yield textFile(MODULE_LIST_PATH, lines(files.map(fileName)));
}

/** `kernel/drivers/usb/dwc3/dwc3-qcom.ko.xz` is listed as `dwc3-qcom`. */
function fileName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1)
    .replace(/\.ko(\.(gz|xz|zst))?$/, "");
}

function checkPath(what: string, path: string, maxParts = Infinity): void {
  const parts = path.split("/");
  const fine = parts.length <= maxParts &&
    parts.every((part) => part !== "" && part !== "." && part !== "..") &&
    // deno-lint-ignore no-control-regex
    !/[\x00-\x1f]/.test(path);
  if (fine) return;
  throw new RangeError(
    `Cannot build initramfs: the ${what} is ${JSON.stringify(path)}, expected ${
      maxParts === 1 ? "one plain name" : "a plain relative path"
    }`,
  );
}

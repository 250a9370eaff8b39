/**
 * The files of a made-up image that boots on a made-up phone, in memory.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type {
  AndroidBootimgProfile,
  DeviceProfile,
} from "../../src/device/profile.ts";
import type { FileSystem } from "../../src/fs/filesystem.ts";
import { MemorySource } from "../../src/fs/memory_source.ts";
import { withPaths } from "../../src/fs/open_paths.ts";
import { MADE_RELEASE, madeImage } from "./made_kernel.ts";

/** Of its modules. */
export const MADE_FOLDER = `/usr/lib/modules/${MADE_RELEASE}`;
/** Of its device trees. */
export const MADE_TREES = `/usr/lib/linux-image-${MADE_RELEASE}`;
/** Its device tree. */
export const MADE_DTB = new Uint8Array(
  readFileSync(
    fileURLToPath(new URL("../fixtures/fdt/base.dtb", import.meta.url)),
  ),
);

/** Its modules, in the order of their index. */
export const MADE_MODULES: readonly string[] = [
  "configfs",
  "libcomposite",
  "usb_f_fs",
  "ublk_drv",
  "overlay",
  "erofs",
  "phone_usb",
  "phone_phy",
];
const DEPENDENCIES: Record<string, string> = {
  libcomposite: "configfs",
  phone_usb: "phone_phy",
};
const text = (content: string) => new TextEncoder().encode(content);

/** Files of an image that boots; `changes` replaces some, or takes them away. */
export function madeFiles(
  changes: Record<string, Uint8Array | string | undefined> = {},
): FileSystem {
  const dep = MADE_MODULES.map((name) => {
    const needs = DEPENDENCIES[name];
    return `kernel/${name}.ko:${
      needs === undefined ? "" : ` kernel/${needs}.ko`
    }`;
  });
  const files: Record<string, Uint8Array | string | undefined> = {
    [`/boot/vmlinuz-${MADE_RELEASE}`]: madeImage(),
    [`${MADE_FOLDER}/modules.dep`]: dep.map((line) => `${line}\n`).join(""),
    [`${MADE_FOLDER}/modules.builtin`]: "",
    ...Object.fromEntries(
      MADE_MODULES.map((name) => [
        `${MADE_FOLDER}/kernel/${name}.ko`,
        `\x7fELF ${name}`,
      ]),
    ),
    [`${MADE_TREES}/vendor/phone.dtb`]: MADE_DTB,
    ...changes,
  };
  const source = MemorySource.from(
    Object.entries(files).flatMap(([path, content]) =>
      content === undefined ? [] : [{
        path,
        type: "file",
        content: typeof content === "string" ? text(content) : content,
      }]
    ),
  );
  // in memory, but of a kind that stage0 can mount
  return withPaths({
    kind: "erofs",
    blockSize: source.blockSize,
    name: "made",
    identity: source.identity,
    rootNumber: source.rootNumber,
    inode: (number, options) => source.inode(number, options),
    lookup: (directory, name, options) =>
      source.lookup(directory, name, options),
    list: (directory, options) => source.list(directory, options),
    readLink: (link, options) => source.readLink(link, options),
    open: (file) => source.open(file),
  });
}

/** A phone that takes it. */
export function madeProfile(
  changes: Partial<AndroidBootimgProfile> = {},
): DeviceProfile {
  return {
    id: "made-phone",
    devicetree_name: "vendor/phone",
    match: [{ fastboot: { vid: 0x18d1, pid: 0xd00d } }],
    probe: [],
    boot: {
      fastboot_boot: {
        android_bootimg: {
          header_version: 2,
          page_size: 4096,
          kernel: { encoding: "image.gz" },
          cmdline_append: "console=ttyX0",
          ...changes,
        },
      },
    },
    stage0: { kernel_modules: ["phone-usb"] },
  };
}

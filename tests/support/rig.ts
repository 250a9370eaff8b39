/**
 * Boots images on virtual phones, as `fastboop boot` does on real ones: the image gives the boot
 * image, the boot image is all that the phone gets.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { openFile } from "../../src/adapters/node/file.ts";
import {
  type Machine,
  type MachineOptions,
  startMachine,
} from "../../src/adapters/node/qemu.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import {
  type BootPlan,
  planBoot,
  type PlanOptions,
} from "../../src/boot/plan.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";
import { parseBootImage } from "../../src/format/bootimg/parse.ts";
import type { Personalization } from "../../src/boot/settings.ts";
import type { FileSystem } from "../../src/fs/filesystem.ts";
import { openImage } from "../../src/image/open_image.ts";

/** Debian packages of the emulators. */
export const PHONE_PACKAGES: readonly string[] = [
  "qemu-system-arm",
  "qemu-system-x86",
];

/** What to boot. */
export interface PhoneBoot extends
  Pick<
    MachineOptions,
    "controller" | "memoryMiB" | "onConsole" | "timeoutMs"
  >,
  Pick<PlanOptions, "ostree" | "modules" | "augments"> {
  /** Path of the image that is served. */
  readonly image: string;
  /** Path of an erofs image of the same files, where we cannot read the image itself yet. */
  readonly files?: string;
  /** File system of the image, where it is not that of `files`. */
  readonly rootFileSystem?: "erofs" | "ext4" | "squashfs";
  /** Id of a profile; default `virtual-phone-arm64`. */
  readonly profile?: string;
  /** Words for the kernel and settings of stage0, as a user types them. */
  readonly cmdline?: string;
  readonly deviceSerial?: string;
  readonly personalization?: Personalization;
  /** Path of a stage0 to use instead of that built in. */
  readonly stage0?: string;
}

/** A phone that boots. */
export interface BootedPhone {
  readonly machine: Machine;
  /** What the phone was sent. */
  readonly plan: BootPlan;
  /** The image to serve, open until {@linkcode BootedPhone.stop}. */
  readonly reader: BlockReader;
  /** Ends the machine and closes the image. */
  stop(): Promise<void>;
}

/** Boots an image on a virtual phone; it waits for its host then. */
export async function bootPhone(boot: PhoneBoot): Promise<BootedPhone> {
  const reader = await openFile(boot.image);
  try {
    const plan = await planPhone(boot);
    const { kernel, ramdisk, cmdline } = parseBootImage(plan.bytes);
    const machine = await startMachine({
      machine: plan.machine,
      kernel,
      ramdisk,
      cmdline,
      ...pick(boot, "controller", "memoryMiB", "onConsole", "timeoutMs"),
    });
    return {
      machine,
      plan,
      reader,
      async stop() {
        await machine.stop();
        await reader.close();
      },
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

/** What `boot` sends to a phone. */
export async function planPhone(boot: PhoneBoot): Promise<BootPlan> {
  const id = boot.profile ?? "virtual-phone-arm64";
  const profile = BUILTIN_PROFILES.find((profile) => profile.id === id);
  if (profile === undefined) throw new RangeError(`No profile "${id}"`);
  const file = await openFile(boot.files ?? boot.image);
  try {
    const { stage0, cmdline, rootFileSystem } = boot;
    const { files } = await openImage(file);
    return await planBoot(asKind(files, rootFileSystem), profile, {
      ...pick(boot, "ostree", "modules", "augments"),
      ...(stage0 === undefined ? {} : {
        stage0: {
          name: stage0,
          bytes: Uint8Array.from(await readFile(stage0)),
        },
      }),
      cmdline: {
        ...(cmdline === undefined ? {} : { user: [cmdline] }),
        ...pick(boot, "deviceSerial", "personalization"),
      },
    });
  } finally {
    await file.close();
  }
}

/** The same files, said to be in another file system. */
function asKind(files: FileSystem, kind: string | undefined): FileSystem {
  if (kind === undefined) return files;
  return new Proxy(files, {
    get(target, name) {
      if (name === "kind") return kind;
      // its methods know the object itself only
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function pick<T, Key extends keyof T>(from: T, ...keys: Key[]): Pick<T, Key> {
  const given = keys.filter((key) => from[key] !== undefined);
  return Object.fromEntries(
    given.map((key) => [key, from[key]]),
  ) as unknown as Pick<T, Key>;
}

/**
 * From an image and a device profile to what the phone is sent.
 *
 * @module
 */

import type { ReadOptions } from "../block/reader.ts";
import type {
  AndroidBootimgProfile,
  DeviceProfile,
} from "../device/profile.ts";
import { type BootImageRow, buildBootImage } from "../format/bootimg/build.ts";
import type { BootImageParams } from "../format/bootimg/params.ts";
import type { MacKind } from "../format/fdt/mac.ts";
import { encodeKernel, type KernelEncoding } from "../format/kernel/encode.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { given } from "./given.ts";
import type { AugmentArchive, Initramfs } from "./initramfs.ts";
import type { ChosenKernel } from "./kernel_files.ts";
import type { ResolvedModules } from "./modules.ts";
import { assembleParts, collectParts } from "./plan_parts.ts";
import type { ModuleFile } from "./read_modules.ts";
import type { CmdlineParts, ComposedCmdline } from "./settings.ts";
import type { Machine } from "./stage0_binary.ts";

/** A file that the user gives. */
export interface GivenFile {
  /** What messages call it: its path. */
  readonly name: string;
  /** Its content. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a plan is made from, besides image and profile. */
export interface PlanOptions extends ReadOptions {
  /** The program that becomes `/init`; the one built in when absent. */
  readonly stage0?: GivenFile;
  /** Taken instead of the image's device tree. */
  readonly dtb?: GivenFile;
  /** Applied to the device tree, in this order. */
  readonly overlays?: readonly GivenFile[];
  /** Addresses for radios, by `compatible`; made from the phone's serial number. */
  readonly macs?: readonly {
    readonly kind: MacKind;
    readonly compatible: string;
  }[];
  /** Archives whose entries count instead of ours. */
  readonly augments?: readonly AugmentArchive[];
  /** Modules to load after those of stage0 and of the profile. */
  readonly modules?: readonly string[];
  /** Send modules as compressed as the image has them: the kernel must unpack them itself. */
  readonly keepCompressedModules?: boolean;
  /**
   * Boot an OSTree deployment: the current one, or the one that this link leads to. When absent, the
   * current one of an image that is an OSTree sysroot and nothing else.
   */
  readonly ostree?: true | string;
  /**
   * File systems beside the root, such as a boot partition or the medium around a live image. Kernel
   * and device tree are taken from them when the root has none that fit its modules.
   */
  readonly others?: readonly FileSystem[];
  /** Words and settings besides those of profile and image. */
  readonly cmdline?: Omit<CmdlineParts, "device" | "ostree" | "rootFileSystem">;
  /** Told which part is begun. Must not throw. */
  readonly onPart?: (part: PlanPart) => void;
}

/** A part of the work, in their order. */
export type PlanPart =
  /** The kernel is looked for and read. */
  | "kernel"
  /** Modules that stage0 loads are looked for and read. */
  | "modules"
  /** The device tree is read and changed. */
  | "device-tree"
  /** The initramfs is packed. */
  | "initramfs"
  /** The kernel is compressed: the longest part. */
  | "compress-kernel"
  /** All of it becomes one boot image. */
  | "boot-image";

/** What only the phone itself says; what {@linkcode PlanOptions.cmdline} says counts instead. */
export type PlannedPhone = Pick<
  CmdlineParts,
  "vendorId" | "productId" | "deviceSerial"
>;

/** All of a plan but what depends on the phone itself. */
export interface PreparedPlan {
  /** As the phone would get them if it said nothing of itself. */
  readonly parts: BootParts;
  /**
   * Gives the plan for one phone: what {@linkcode planBoot} gives with what the phone says in
   * `options.cmdline`. Takes milliseconds.
   *
   * @throws {FormatError} `settings.bad-value` when the serial number cannot be one of stage0's;
   * `bootimg.*`
   */
  forPhone(
    phone: PlannedPhone,
    options?: Pick<PlanOptions, "signal" | "onPart">,
  ): Promise<BootPlan>;
}

/** A device tree and where it is from. */
export interface PlannedDeviceTree {
  /** Path in the image, or the file given. */
  readonly from: string;
  /** Bytes before overlays and addresses. */
  readonly storedSize: number;
  /** As the phone gets it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What was applied to it, in this order. */
  readonly overlays: readonly GivenFile[];
  /** Radios that were given addresses. */
  readonly macs: NonNullable<PlanOptions["macs"]>;
  /** Release of the kernel whose folder it was found in; absent when the folder names none. */
  readonly release?: string;
  /** Release of another kernel, in whose folder it was found: it may not fit. */
  readonly otherRelease?: string;
}

/** What is known before anything is compressed: all that can go wrong early has not. */
export interface BootParts {
  /** The phone's. */
  readonly profile: DeviceProfile;
  /** Name of the program that was given to become `/init`; absent for the one built in. */
  readonly stage0?: string;
  /** What stage0 and the kernel run on. */
  readonly machine: Machine;
  /** The newest of the image. */
  readonly kernel: ChosenKernel;
  /** What is loaded, in this order. */
  readonly modules: ResolvedModules;
  /** The same, read. */
  readonly moduleFiles: readonly ModuleFile[];
  /** Absent on machines that need none. */
  readonly deviceTree?: PlannedDeviceTree;
  /** What the kernel and stage0 are told. */
  readonly cmdline: ComposedCmdline;
  /** Packed, and compressed as the profile says. */
  readonly initramfs: Initramfs;
  /** Link of the OSTree deployment. */
  readonly ostree?: string;
}

/** What the phone is sent, and what went into it. */
export interface BootPlan extends BootParts {
  /** The kernel as stored in the boot image, without a device tree. */
  readonly kernelSize: number;
  /** The boot image. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What lies where in it. */
  readonly layout: readonly BootImageRow[];
}

/**
 * Makes the boot image for a phone. Equal input gives equal bytes, and nothing but the image is read.
 *
 * What can be known without compressing the kernel is checked first: see {@linkcode planParts}.
 *
 * @throws {FormatError} as {@linkcode planParts}, `kernel.wrong-encoding`, `bootimg.*` as
 * `buildBootImage()`
 */
export async function planBoot(
  image: FileSystem,
  profile: DeviceProfile,
  options: PlanOptions = {},
): Promise<BootPlan> {
  const parts = await planParts(image, profile, options);
  return await pack(parts, await compress(parts, options), options);
}

/**
 * Does all the reading and compressing of {@linkcode planBoot} before the phone is there.
 *
 * @throws {FormatError} as {@linkcode planBoot}
 */
export async function preparePlan(
  image: FileSystem,
  profile: DeviceProfile,
  options: PlanOptions = {},
): Promise<PreparedPlan> {
  const collected = await collectParts(image, profile, options);
  const parts = await assembleParts(collected, options);
  const kernel = await compress(parts, options);
  return {
    parts,
    async forPhone(phone, { signal, onPart } = {}) {
      const cmdline = { ...phone, ...options.cmdline };
      const { signal: _signal, onPart: _onPart, ...others } = options;
      const mine = {
        ...others,
        cmdline,
        ...given("signal", signal),
        ...given("onPart", onPart),
      };
      return await pack(await assembleParts(collected, mine), kernel, mine);
    },
  };
}

/**
 * Finds and reads all that goes into a boot image, and packs the initramfs.
 *
 * In the order in which it is cheapest to fail: stage0, deployment, command line, kernel, modules,
 * device tree, initramfs.
 *
 * @throws {FormatError} `plan.unsupported-root`, `plan.wrong-machine`, `plan.no-device-tree`;
 * `stage0.*`, `ostree.*`, `cmdline.*`, `settings.*`, `kernel.*`, `module.*`, `device-tree.*`, `fdt.*`,
 * `cpio.*`, `initramfs.*` as the steps; what the file system throws
 */
export async function planParts(
  image: FileSystem,
  profile: DeviceProfile,
  options: PlanOptions = {},
): Promise<BootParts> {
  return await assembleParts(
    await collectParts(image, profile, options),
    options,
  );
}

async function compress(
  { profile, kernel }: BootParts,
  { signal, onPart }: PlanOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  signal?.throwIfAborted();
  onPart?.("compress-kernel");
  return await encodeKernel(kernel.kernel, bootImageParams(profile).encoding);
}

async function pack(
  parts: BootParts,
  kernel: Uint8Array<ArrayBuffer>,
  { signal, onPart }: PlanOptions,
): Promise<BootPlan> {
  signal?.throwIfAborted();
  onPart?.("boot-image");
  const { bytes, layout } = await buildBootImage(
    bootImageParams(parts.profile).params,
    {
      kernel,
      ramdisk: parts.initramfs.bytes,
      cmdline: parts.cmdline.cmdline,
      ...given("dtb", parts.deviceTree?.bytes),
    },
  );
  return { ...parts, kernelSize: kernel.length, bytes, layout };
}

/** What a profile says of the boot image, in the words of the boot image. */
function bootImageParams(
  profile: DeviceProfile,
): { encoding: KernelEncoding; params: BootImageParams } {
  const bootimg = profile.boot.fastboot_boot.android_bootimg;
  const [encoding, dtb] = bootimg.kernel.encoding.split("+") as [
    KernelEncoding,
    string?,
  ];
  const { limits } = bootimg;
  return {
    encoding,
    params: {
      headerVersion: bootimg.header_version,
      pageSize: bootimg.page_size,
      appendDtb: dtb !== undefined,
      ...given("base", bootimg.base),
      ...given("kernelOffset", bootimg.kernel_offset),
      ...given("ramdiskOffset", bootimg.ramdisk_offset),
      ...given("secondOffset", bootimg.second_offset),
      ...given("tagsOffset", bootimg.tags_offset),
      ...given("dtbOffset", bootimg.dtb_offset),
      ...(limits === undefined ? {} : { limits: bootImageLimits(limits) }),
    },
  };
}

function bootImageLimits(limits: NonNullable<AndroidBootimgProfile["limits"]>) {
  return {
    ...given("maxKernelBytes", limits.max_kernel_bytes),
    ...given("maxInitrdBytes", limits.max_initrd_bytes),
    ...given("maxTotalBytes", limits.max_total_bytes),
  };
}

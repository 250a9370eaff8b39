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
import { FormatError } from "../errors.ts";
import { type BootImageRow, buildBootImage } from "../format/bootimg/build.ts";
import type { BootImageParams } from "../format/bootimg/params.ts";
import { injectMac, type MacKind } from "../format/fdt/mac.ts";
import { applyOverlays } from "../format/fdt/overlay.ts";
import { encodeKernel, type KernelEncoding } from "../format/kernel/encode.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { builtinStage0 } from "./builtin_stage0.ts";
import { findDeviceTree, readDeviceTree } from "./device_tree.ts";
import {
  type AugmentArchive,
  buildInitramfs,
  type Initramfs,
} from "./initramfs.ts";
import { chooseKernel, type ChosenKernel } from "./kernel_files.ts";
import {
  baseModules,
  type ResolvedModules,
  resolveModules,
  type RootFileSystem,
  type WantedModule,
} from "./modules.ts";
import { openDeployment } from "./ostree.ts";
import { type ModuleFile, readModules } from "./read_modules.ts";
import {
  type CmdlineParts,
  composeCmdline,
  type ComposedCmdline,
  isSettingOn,
} from "./settings.ts";
import { checkStage0, type Machine } from "./stage0_binary.ts";

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
  /** Boot an OSTree deployment: the current one, or the one that this link leads to. */
  readonly ostree?: true | string;
  /** Words and settings besides those of profile and image. */
  readonly cmdline?: Omit<CmdlineParts, "device" | "ostree" | "rootFileSystem">;
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
  /** What the kernel runs on. */
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

const ROOT_FILE_SYSTEMS: readonly RootFileSystem[] = [
  "erofs",
  "ext4",
  "squashfs",
];
/** Debian's trees leave the addresses of radios to the bootloader; phones without serial share one. */
const DEFAULT_MAC_SEED = "0";

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
  const { encoding, params } = bootImageParams(profile);
  options.signal?.throwIfAborted();
  const kernel = await encodeKernel(parts.kernel.kernel, encoding);
  options.signal?.throwIfAborted();
  const { bytes, layout } = await buildBootImage(params, {
    kernel,
    ramdisk: parts.initramfs.bytes,
    cmdline: parts.cmdline.cmdline,
    ...given("dtb", parts.deviceTree?.bytes),
  });
  return { ...parts, kernelSize: kernel.length, bytes, layout };
}

/**
 * Finds and reads all that goes into a boot image, and packs the initramfs.
 *
 * In the order in which it is cheapest to fail: stage0, deployment, command line, kernel, modules,
 * device tree, initramfs.
 *
 * @throws {FormatError} `plan.unsupported-root`, `plan.no-device-tree`; `stage0.*`, `ostree.*`,
 * `cmdline.*`, `settings.*`, `kernel.*`, `module.*`, `device-tree.*`, `fdt.*`, `cpio.*`, `initramfs.*`
 * as the steps; what the file system throws
 */
export async function planParts(
  image: FileSystem,
  profile: DeviceProfile,
  options: PlanOptions = {},
): Promise<BootParts> {
  const { stage0, signal } = options;
  const bootimg = profile.boot.fastboot_boot.android_bootimg;
  const rootFileSystem = rootFileSystemOf(image);
  if (stage0 !== undefined) {
    checkStage0(stage0.bytes, machineOf(stage0.bytes), stage0.name);
  }
  const deployment = options.ostree === undefined
    ? undefined
    : await openDeployment(
      image,
      options.ostree === true ? undefined : options.ostree,
      { signal },
    );
  const files = deployment?.files ?? image;

  const compose = (machine: Machine) =>
    composeCmdline({
      // the phone comes back with the ids that it had, where the caller knows no better
      vendorId: profile.match[0]!.fastboot.vid,
      productId: profile.match[0]!.fastboot.pid,
      ...options.cmdline,
      rootFileSystem,
      ...given("device", bootimg.cmdline_append),
      ...given("ostree", deployment?.link),
    }, { headerVersion: bootimg.header_version, machine });
  compose("aarch64");

  const kernel = await chooseKernel(files, { signal });
  const machine: Machine = kernel.kernel.format === "bzimage"
    ? "x86_64"
    : "aarch64";
  const cmdline = compose(machine);
  if (stage0 !== undefined) checkStage0(stage0.bytes, machine, stage0.name);
  if (machine === "x86_64") refuseDeviceTree(kernel.path, options);
  const wanted = wantedModules(profile, rootFileSystem, cmdline, options);
  const modules = await resolveModules(files, kernel.release, wanted, {
    signal,
  });
  const deviceTree = machine === "aarch64"
    ? await planDeviceTree(files, profile, kernel.release, cmdline, options)
    : undefined;
  const moduleFiles = await readModules(files, modules.load, {
    signal,
    keepCompressed: options.keepCompressedModules ?? false,
  });
  const initramfs = await buildInitramfs({
    machine,
    settings: cmdline.settings,
    modules: { release: kernel.release, load: moduleFiles },
    stage0: stage0?.bytes ?? await builtinStage0(machine),
    ...given("augments", options.augments),
    ...given("compression", bootimg.initrd?.compress),
  });
  return {
    profile,
    machine,
    kernel,
    modules,
    moduleFiles,
    cmdline,
    initramfs,
    ...given("stage0", stage0?.name),
    ...given("deviceTree", deviceTree),
    ...given("ostree", deployment?.link),
  };
}

function rootFileSystemOf(image: FileSystem): RootFileSystem {
  const found = ROOT_FILE_SYSTEMS.find((kind) => kind === image.kind);
  if (found !== undefined) return found;
  throw new FormatError(
    "plan.unsupported-root",
    `Cannot boot "${image.name}": its file system is ${image.kind}, expected ${
      ROOT_FILE_SYSTEMS.join(", ")
    }; stage0 cannot mount another one`,
    { facts: { image: image.name, kind: image.kind } },
  );
}

/** Stage0 must fit the kernel; before that is known, it must fit one of those we boot. */
function machineOf(stage0: Uint8Array): Machine {
  const EM_X86_64 = 62; // elf(5), e_machine at byte 18
  return stage0[18] === EM_X86_64 ? "x86_64" : "aarch64";
}

function wantedModules(
  profile: DeviceProfile,
  rootFileSystem: RootFileSystem,
  { settings }: ComposedCmdline,
  options: PlanOptions,
): WantedModule[] {
  // not only the option asks for it, a word of the command line does as well
  const serial = isSettingOn(settings.get("smoo.acm"));
  return [
    ...baseModules({ rootFileSystem, serial }),
    ...profile.stage0.kernel_modules.map((name) => ({
      name,
      wantedBy: `profile ${profile.id}`,
    })),
    ...(options.modules ?? []).map((name) => ({ name, wantedBy: "the user" })),
  ];
}

/** Refuses what would have no effect: a PC's kernel takes no device tree. */
function refuseDeviceTree(kernel: string, options: PlanOptions): void {
  const { dtb, overlays = [], macs = [] } = options;
  const names = [dtb, ...overlays].flatMap((file) => file?.name ?? [])
    .concat(macs.map(({ compatible }) => compatible));
  if (names.length === 0) return;
  throw new FormatError(
    "plan.no-device-tree",
    `Cannot use ${
      names.map((name) => JSON.stringify(name)).join(", ")
    } with kernel "${kernel}": it is for x86_64, which has no device tree, expected one for aarch64; leave it out`,
    { facts: { kernel, given: names.join() } },
  );
}

/** Refuses changes to a device tree that only the machine has. */
function refuseChanges(profile: DeviceProfile, options: PlanOptions): void {
  const { overlays = [], macs = [] } = options;
  const [name] = [
    ...overlays.map(({ name }) => name),
    ...macs.map(({ compatible }) => compatible),
  ];
  if (name === undefined) return;
  throw new FormatError(
    "plan.no-device-tree",
    `Cannot apply "${name}" to the device tree of "${profile.id}": its devicetree_name is null, the machine brings its own, expected one that is sent; give it with --dtb`,
    { facts: { profile: profile.id, given: name } },
  );
}

async function planDeviceTree(
  files: FileSystem,
  profile: DeviceProfile,
  release: string,
  cmdline: ComposedCmdline,
  options: PlanOptions,
): Promise<PlannedDeviceTree | undefined> {
  const { dtb, overlays = [], macs = [], signal } = options;
  const name = profile.devicetree_name;
  if (dtb === undefined && name === null) {
    refuseChanges(profile, options);
    return undefined;
  }
  const found = dtb === undefined
    ? await findDeviceTree(files, name!, release, { signal })
    : undefined;
  const from = found?.path ?? dtb!.name;
  const stored = found === undefined
    ? dtb!.bytes
    : await readDeviceTree(files, found, { signal });
  let bytes = await applyOverlays(stored, overlays, { name: from, signal });
  const seed = cmdline.settings.get("stage0.serial") ?? DEFAULT_MAC_SEED;
  for (const mac of macs) {
    bytes = await injectMac(bytes, { ...mac, seed }, { name: from });
  }
  return {
    from,
    storedSize: stored.length,
    bytes,
    overlays,
    macs,
    ...given("release", found?.release),
    ...given("otherRelease", found?.otherRelease),
  };
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

/** `{ [key]: value }`, or nothing when there is no value. */
function given<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : { [key]: value } as { [K in Key]: Value };
}

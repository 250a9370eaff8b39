/**
 * The two halves of {@linkcode planParts}: what the image gives, and what the phone makes of it.
 *
 * @module
 */

import type { DeviceProfile } from "../device/profile.ts";
import { FormatError } from "../errors.ts";
import { injectMac } from "../format/fdt/mac.ts";
import { applyOverlays } from "../format/fdt/overlay.ts";
import type { FileSystem } from "../fs/filesystem.ts";
import { builtinStage0 } from "./builtin_stage0.ts";
import { findDeviceTree, readDeviceTree } from "./device_tree.ts";
import { given } from "./given.ts";
import { buildInitramfs } from "./initramfs.ts";
import { chooseKernel, type ChosenKernel } from "./kernel_files.ts";
import {
  baseModules,
  type ResolvedModules,
  resolveModules,
  type RootFileSystem,
  type WantedModule,
} from "./modules.ts";
import { type Deployment, openMeantDeployment } from "./ostree.ts";
import type { BootParts, PlannedDeviceTree, PlanOptions } from "./plan.ts";
import { type ModuleFile, readModules } from "./read_modules.ts";
import {
  composeCmdline,
  type ComposedCmdline,
  isSettingOn,
} from "./settings.ts";
import { checkStage0, type Machine } from "./stage0_binary.ts";

const ROOT_FILE_SYSTEMS: readonly RootFileSystem[] = [
  "erofs",
  "ext4",
  "squashfs",
];
/** What distributions call their images for a machine. */
const PORT_NAMES: Readonly<Record<Machine, string>> = {
  aarch64: "arm64 (aarch64)",
  x86_64: "amd64 (x86_64)",
};
/** Debian's trees leave the addresses of radios to the bootloader; phones without serial share one. */
const DEFAULT_MAC_SEED = "0";

/** What the image gives, whichever phone of a kind it is for. */
export interface CollectedParts {
  readonly profile: DeviceProfile;
  readonly machine: Machine;
  readonly rootFileSystem: RootFileSystem;
  readonly deployment: Deployment | undefined;
  readonly kernel: ChosenKernel;
  readonly modules: ResolvedModules;
  readonly moduleFiles: readonly ModuleFile[];
  /** Without addresses. */
  readonly deviceTree: PlannedDeviceTree | undefined;
}

/** Reads the image. Nothing in it depends on what a phone says of itself. */
export async function collectParts(
  image: FileSystem,
  profile: DeviceProfile,
  options: PlanOptions,
): Promise<CollectedParts> {
  const { stage0, signal, onPart } = options;
  const rootFileSystem = rootFileSystemOf(image);
  const { machine = "aarch64" } = profile;
  if (stage0 !== undefined) checkStage0(stage0.bytes, machine, stage0.name);
  const deployment = await openMeantDeployment(image, options.ostree, {
    signal,
  });
  const files = deployment?.files ?? image;
  const known = { profile, rootFileSystem, deployment };
  const cmdline = compose(known, machine, options);

  onPart?.("kernel");
  const { others = [] } = options;
  const kernel = await chooseKernel(files, { signal, others });
  checkMachine(kernel, machine, image, profile);
  if (machine === "x86_64") refuseDeviceTree(kernel.path, options);
  onPart?.("modules");
  const wanted = wantedModules(profile, rootFileSystem, cmdline, options);
  const modules = await resolveModules(files, kernel.release, wanted, {
    signal,
  });
  const deviceTree = machine === "aarch64"
    ? await readTree(files, profile, kernel.release, options)
    : undefined;
  const moduleFiles = await readModules(files, modules.load, {
    signal,
    keepCompressed: options.keepCompressedModules ?? false,
  });
  return { ...known, machine, kernel, modules, moduleFiles, deviceTree };
}

/** Packs what was collected for one phone, which is known by `options.cmdline`. */
export async function assembleParts(
  collected: CollectedParts,
  options: PlanOptions,
): Promise<BootParts> {
  const { profile, machine, kernel, modules, moduleFiles } = collected;
  const { stage0, signal, onPart } = options;
  signal?.throwIfAborted();
  const cmdline = compose(collected, machine, options);
  const deviceTree = collected.deviceTree &&
    await withMacs(collected.deviceTree, cmdline, options.macs ?? []);
  onPart?.("initramfs");
  const { initrd } = profile.boot.fastboot_boot.android_bootimg;
  const initramfs = await buildInitramfs({
    machine,
    settings: cmdline.settings,
    modules: { release: kernel.release, load: moduleFiles },
    stage0: stage0?.bytes ?? await builtinStage0(machine),
    ...given("augments", options.augments),
    ...given("compression", initrd?.compress),
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
    ...given("ostree", collected.deployment?.link),
  };
}

function compose(
  { profile, rootFileSystem, deployment }: Pick<
    CollectedParts,
    "profile" | "rootFileSystem" | "deployment"
  >,
  machine: Machine,
  options: PlanOptions,
): ComposedCmdline {
  const bootimg = profile.boot.fastboot_boot.android_bootimg;
  return composeCmdline({
    // the phone comes back with the ids that it had, where the caller knows no better
    vendorId: profile.match[0]!.fastboot.vid,
    productId: profile.match[0]!.fastboot.pid,
    ...options.cmdline,
    rootFileSystem,
    ...given("device", bootimg.cmdline_append),
    ...given("ostree", deployment?.link),
  }, { headerVersion: bootimg.header_version, machine });
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

/** Refuses an image for another machine, before its modules are missed. */
function checkMachine(
  { path, kernel }: ChosenKernel,
  expected: Machine,
  image: FileSystem,
  { id, display_name = id }: DeviceProfile,
): void {
  const found: Machine = kernel.format === "bzimage" ? "x86_64" : "aarch64";
  if (found === expected) return;
  throw new FormatError(
    "plan.wrong-machine",
    `Cannot boot "${image.name}" on ${display_name}: its kernel "${path}" is for ${found}, expected ${expected}; use an image for ${
      PORT_NAMES[expected]
    }`,
    { facts: { image: image.name, profile: id, path, found, expected } },
  );
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

/** The device tree with its overlays, without addresses: those depend on the phone. */
async function readTree(
  files: FileSystem,
  profile: DeviceProfile,
  release: string,
  options: PlanOptions,
): Promise<PlannedDeviceTree | undefined> {
  const { dtb, overlays = [], others = [], signal, onPart } = options;
  const name = profile.devicetree_name;
  if (dtb === undefined && name === null) {
    refuseChanges(profile, options);
    return undefined;
  }
  onPart?.("device-tree");
  const found = dtb === undefined
    ? await findDeviceTree([files, ...others], name!, release, { signal })
    : undefined;
  const from = found?.path ?? dtb!.name;
  const stored = found === undefined
    ? dtb!.bytes
    : await readDeviceTree(found, { signal });
  return {
    from,
    storedSize: stored.length,
    bytes: await applyOverlays(stored, overlays, { name: from, signal }),
    overlays,
    macs: [],
    ...given("release", found?.release),
    ...given("otherRelease", found?.otherRelease),
  };
}

/** The same with addresses for radios. */
async function withMacs(
  tree: PlannedDeviceTree,
  { settings }: ComposedCmdline,
  macs: NonNullable<PlanOptions["macs"]>,
): Promise<PlannedDeviceTree> {
  const seed = settings.get("stage0.serial") ?? DEFAULT_MAC_SEED;
  let { bytes } = tree;
  for (const mac of macs) {
    bytes = await injectMac(bytes, { ...mac, seed }, { name: tree.from });
  }
  return { ...tree, bytes, macs };
}

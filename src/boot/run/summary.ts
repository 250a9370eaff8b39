/**
 * A plan as plain data.
 *
 * @module
 */

import type { BootPlan } from "../plan.ts";
import type { BuiltData } from "./events.ts";

/** What went into a boot image. */
export function summarize(plan: BootPlan): BuiltData {
  const { kernel, deviceTree, initramfs, moduleFiles } = plan;
  return {
    profile: plan.profile.id,
    machine: plan.machine,
    kernel: {
      path: kernel.path,
      release: kernel.release,
      storedSize: kernel.fileSize,
      size: plan.kernelSize,
    },
    deviceTree: deviceTree &&
      { from: deviceTree.from, size: deviceTree.bytes.length },
    initramfs: {
      unpackedSize: initramfs.unpackedSize,
      size: initramfs.bytes.length,
      entries: initramfs.rows.length,
    },
    modules: moduleFiles.map(({ module }) => module.name),
    cmdline: plan.cmdline.cmdline,
    size: plan.bytes.length,
  };
}

/** Entries of an initramfs that had to give way and are named; of more, their number is told. */
const NAMED_OVERRIDES = 10;

/** What a user should know of a boot image, though it is used. */
export function warningsOf(
  { deviceTree, kernel, initramfs }: Pick<
    BootPlan,
    "deviceTree" | "kernel" | "initramfs"
  >,
): { readonly code: string; readonly message: string }[] {
  const { overrides } = initramfs;
  const override = (message: string) => ({ code: "plan.override", message });
  const warnings = overrides.slice(0, NAMED_OVERRIDES).map((
    { path, by, instead },
  ) =>
    override(`"${by}" puts its own ${path} in the place of that of ${instead}`)
  );
  if (overrides.length > NAMED_OVERRIDES) {
    warnings.push(override(`And so on: ${overrides.length} entries in all`));
  }
  if (deviceTree?.otherRelease !== undefined) {
    warnings.push({
      code: "plan.other-device-tree",
      message:
        `The device tree "${deviceTree.from}" is of kernel ${deviceTree.otherRelease}, not of ${kernel.release}, which has none; give one, by --dtb, if the phone does not boot`,
    });
  }
  return warnings;
}

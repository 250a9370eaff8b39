/**
 * The commands that make a boot image or the initramfs in it.
 *
 * @module
 */

import { dirname } from "node:path";
import { type BootParts, planBoot, planParts } from "../../boot/plan.ts";
import { ReadError } from "../../errors.ts";
import type { FoundRoot } from "../../image/find_root.ts";
import { loadProfiles } from "../node/profiles.ts";
import { isSameFile, replaceFile } from "../node/write_file.ts";
import { type BuildCommand, UsageError } from "./command.ts";
import { formatBoot, formatParts } from "./explain.ts";
import { printable } from "./listing.ts";
import type { Output } from "./output.ts";
import { readGiven } from "./payload.ts";

/** Entries of an initramfs that had to give way and are named; of more, their number is told. */
const SHOWN_OVERRIDES = 10;

/** Makes what the command asks for; rejects with its error, and leaves no half of a file. */
export async function runBuild(
  { files, others }: Pick<FoundRoot, "files" | "others">,
  command: BuildCommand,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const toStdout = command.output === undefined || command.output === "-";
  if (toStdout && output.terminal) {
    throw new UsageError(
      `Missing -o FILE: a ${
        command.what === "boot" ? "boot image" : "initramfs"
      } is not for a terminal`,
      command.what,
    );
  }
  await checkOutput(command);
  const { pool, warnings } = await loadProfiles({ signal });
  for (const { message } of warnings) output.warn(`${message}; skipped`);
  const { profile } = pool.get(command.profile);
  const given = await readGiven(command, signal);
  const options = {
    ...given,
    others: others.map(({ files }) => files),
    signal,
    cmdline: {
      ...given.cmdline,
      ...command.deviceSerial === undefined
        ? {}
        : { deviceSerial: command.deviceSerial },
    },
  };
  const tell = async (text: string) => {
    if (!command.explain) return;
    if (toStdout) output.warn(`\n${text.trimEnd()}`);
    else await output.result(new TextEncoder().encode(text));
  };
  const warn = ({ deviceTree, kernel, initramfs }: BootParts) => {
    const { overrides } = initramfs;
    for (const { path, by, instead } of overrides.slice(0, SHOWN_OVERRIDES)) {
      // names in an archive are anyone's: none may drive the terminal
      output.warn(
        printable(
          `"${by}" puts its own ${path} in the place of that of ${instead}`,
        ),
      );
    }
    if (overrides.length > SHOWN_OVERRIDES) {
      output.warn(`and so on: ${overrides.length} entries in all`);
    }
    if (deviceTree?.otherRelease === undefined) return;
    output.warn(
      `the device tree "${deviceTree.from}" is of kernel ${deviceTree.otherRelease}, ` +
        `not of ${kernel.release}, which has none; give one by --dtb if the phone does not boot`,
    );
  };
  if (command.what === "boot") {
    const plan = await planBoot(files, profile, options);
    warn(plan);
    await write(command, plan.bytes, output, signal);
    await tell(formatBoot(plan));
  } else {
    const parts = await planParts(files, profile, options);
    warn(parts);
    await write(command, parts.initramfs.bytes, output, signal);
    await tell(formatParts(parts));
  }
}

async function write(
  command: BuildCommand,
  bytes: Uint8Array<ArrayBuffer>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const path = command.output;
  if (path === undefined || path === "-") return await output.result(bytes);
  await replaceFile(path, bytes, { signal });
}

/** Refuses, before all the work, to write over what is read, and where there is no folder. */
async function checkOutput(command: BuildCommand): Promise<void> {
  const { output, image, stage0, dtb, overlays, augments } = command;
  if (output === undefined || output === "-") return;
  for (const path of [image.path, stage0, dtb, ...overlays, ...augments]) {
    if (path === undefined || !await isSameFile(output, path)) continue;
    throw new UsageError(
      `Cannot write to "${output}": it is "${path}", which is read; name another file by -o`,
      command.what,
    );
  }
  const parent = dirname(output);
  if (await isSameFile(parent, parent)) return;
  throw new ReadError(
    "file.write-failed",
    `Cannot write to "${output}": there is no folder "${parent}", expected one; make it first`,
    { facts: { path: output, folder: parent } },
  );
}

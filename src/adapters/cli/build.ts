/**
 * The commands that make a boot image or the initramfs in it.
 *
 * @module
 */

import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type BootParts, planBoot, planParts } from "../../boot/plan.ts";
import { warningsOf } from "../../boot/run/summary.ts";
import { ReadError } from "../../errors.ts";
import { loadProfiles } from "../node/profiles.ts";
import { isSameFile, replaceFile } from "../node/write_file.ts";
import { type BuildCommand, UsageError } from "./command.ts";
import type { OpenedSource } from "./image_source.ts";
import { formatBoot, formatParts } from "./explain.ts";
import { printable } from "./listing.ts";
import type { Output } from "./output.ts";
import { readGiven } from "./payload.ts";

/** Makes what the command asks for; rejects with its error, and leaves no half of a file. */
export async function runBuild(
  { files, others, localFiles }: Pick<
    OpenedSource,
    "files" | "others" | "localFiles"
  >,
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
  await checkOutput(command, localFiles);
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
  const warn = (parts: BootParts) => {
    // names in an archive are anyone's: none may drive the terminal
    for (const { message } of warningsOf(parts)) {
      output.warn(printable(message));
    }
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

/** Refuses, before all the work, to write over what is read, and where no file can be. */
async function checkOutput(
  command: BuildCommand,
  localFiles: readonly string[],
): Promise<void> {
  const { output, stage0, dtb, overlays, augments } = command;
  if (output === undefined || output === "-") return;
  for (const path of [...localFiles, stage0, dtb, ...overlays, ...augments]) {
    if (path === undefined || !await isSameFile(output, path)) continue;
    throw new UsageError(
      `Cannot write to "${output}": it is "${path}", which is read; name another file by -o`,
      command.what,
    );
  }
  const folder = dirname(output);
  const found = await isFolder(output)
    ? "it is a folder, expected a file; name one in it"
    : await isFolder(folder)
    ? undefined
    : `there is no folder "${folder}", expected one; make it first`;
  if (found === undefined) return;
  throw new ReadError(
    "file.write-failed",
    `Cannot write to "${output}": ${found}`,
    { facts: { path: output, folder } },
  );
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then((about) => about.isDirectory(), () => false);
}

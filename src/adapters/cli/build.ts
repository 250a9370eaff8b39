/**
 * The commands that make a boot image or the initramfs in it.
 *
 * @module
 */

import { dirname } from "node:path";
import process from "node:process";
import { readExactly } from "../../block/read_exactly.ts";
import type { ReadOptions } from "../../block/reader.ts";
import {
  type BootParts,
  type GivenFile,
  planBoot,
  type PlanOptions,
  planParts,
} from "../../boot/plan.ts";
import { ReadError } from "../../errors.ts";
import type { FileSystem } from "../../fs/filesystem.ts";
import { openFile } from "../node/file.ts";
import { loadProfiles } from "../node/profiles.ts";
import { isSameFile, replaceFile } from "../node/write_file.ts";
import { UsageError } from "./args.ts";
import type { Output } from "./commands.ts";
import { formatBoot, formatParts } from "./explain.ts";
import { printable } from "./listing.ts";

/** What was typed. */
export interface BuildCommand {
  readonly kind: "boot" | "stage0";
  readonly image: string;
  /** Id of the device profile. */
  readonly profile: string;
  /** File, `-` for standard output; absent for the same. */
  readonly output: string | undefined;
  readonly stage0: string | undefined;
  readonly dtb: string | undefined;
  readonly overlays: readonly string[];
  readonly macs: NonNullable<PlanOptions["macs"]>;
  readonly augments: readonly string[];
  readonly modules: readonly string[];
  readonly cmdline: readonly string[];
  readonly serialConsole: boolean;
  readonly deviceSerial: string | undefined;
  readonly clockMicroseconds: number | undefined;
  readonly ostree: true | string | undefined;
  readonly compressedModules: boolean;
  readonly explain: boolean;
}

/** Bytes of a file given on the command line at which it is refused: none is this large. */
const MAX_GIVEN = 512 << 20;

/** Entries of an initramfs that had to give way and are named; of more, their number is told. */
const SHOWN_OVERRIDES = 10;

/** Makes what the command asks for; rejects with its error, and leaves no half of a file. */
export async function runBuild(
  image: FileSystem,
  command: BuildCommand,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const toStdout = command.output === undefined || command.output === "-";
  if (toStdout && output.terminal) {
    throw new UsageError(
      `Missing -o FILE: a ${
        command.kind === "boot" ? "boot image" : "initramfs"
      } is not for a terminal`,
      command.kind,
    );
  }
  await checkOutput(command);
  const { pool, warnings } = await loadProfiles({ signal });
  for (const { message } of warnings) output.warn(`${message}; skipped`);
  const { profile } = pool.get(command.profile);
  const options = await readGiven(command, signal);
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
  if (command.kind === "boot") {
    const plan = await planBoot(image, profile, options);
    warn(plan);
    await write(command, plan.bytes, output, signal);
    await tell(formatBoot(plan));
  } else {
    const parts = await planParts(image, profile, options);
    warn(parts);
    await write(command, parts.initramfs.bytes, output, signal);
    await tell(formatParts(parts));
  }
}

async function readGiven(
  command: BuildCommand,
  signal: AbortSignal,
): Promise<PlanOptions> {
  const stage0 = command.stage0 ?? process.env["FASTBOOP_STAGE0_PATH"];
  const read = (path: string) => readFile(path, { signal });
  const readAll = (paths: readonly string[]) => Promise.all(paths.map(read));
  return {
    signal,
    ...(stage0 === undefined || stage0 === ""
      ? {}
      : { stage0: await read(stage0) }),
    ...(command.dtb === undefined ? {} : { dtb: await read(command.dtb) }),
    overlays: await readAll(command.overlays),
    macs: command.macs,
    augments: await readAll(command.augments),
    modules: command.modules,
    keepCompressedModules: command.compressedModules,
    ...(command.ostree === undefined ? {} : { ostree: command.ostree }),
    cmdline: {
      user: command.cmdline,
      serialConsole: command.serialConsole,
      mimicFastboot: true,
      ...(command.deviceSerial === undefined
        ? {}
        : { deviceSerial: command.deviceSerial }),
      ...(command.clockMicroseconds === undefined
        ? {}
        : { clockMicroseconds: command.clockMicroseconds }),
    },
  };
}

async function readFile(
  path: string,
  options: ReadOptions,
): Promise<GivenFile> {
  const file = await openFile(path, options);
  try {
    if (file.size > MAX_GIVEN) {
      throw new ReadError(
        "file.too-large",
        `Cannot use "${path}": it has ${file.size} bytes, expected at most ${MAX_GIVEN}`,
        { facts: { path, size: file.size } },
      );
    }
    return {
      name: path,
      bytes: await readExactly(file, 0, file.size, options),
    };
  } finally {
    await file.close();
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
  for (const path of [image, stage0, dtb, ...overlays, ...augments]) {
    if (path === undefined || !await isSameFile(output, path)) continue;
    throw new UsageError(
      `Cannot write to "${output}": it is "${path}", which is read; name another file by -o`,
      command.kind,
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

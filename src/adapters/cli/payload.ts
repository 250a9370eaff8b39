/**
 * What the user gives to be put into a boot image.
 *
 * @module
 */

import process from "node:process";
import { readExactly } from "../../block/read_exactly.ts";
import type { ReadOptions } from "../../block/reader.ts";
import type { GivenFile, PlanOptions } from "../../boot/plan.ts";
import { ReadError } from "../../errors.ts";
import { openFile } from "../node/file.ts";
import { readPersonalization } from "../node/personalization.ts";
import type { PayloadOptions } from "./command.ts";

/** Bytes of a file given on the command line at which it is refused: none is this large. */
const MAX_GIVEN = 512 << 20;

/** A plan but for what the phone itself says. */
export type GivenPlan = Omit<PlanOptions, "signal" | "onPart">;

/**
 * Reads all files that the options name.
 *
 * @throws {ReadError} when one cannot be read, `file.too-large`
 */
export async function readGiven(
  command: PayloadOptions,
  signal: AbortSignal,
): Promise<GivenPlan> {
  const stage0 = command.stage0 ?? process.env["FASTBOOP_STAGE0_PATH"];
  const read = (path: string) => readFile(path, { signal });
  const readAll = (paths: readonly string[]) => Promise.all(paths.map(read));
  return {
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
      ...(command.firstboot
        ? { personalization: await readPersonalization() }
        : {}),
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

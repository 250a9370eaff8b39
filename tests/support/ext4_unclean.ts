/**
 * Images that were not unmounted, made by `debugfs`: changes are made to a copy, and the blocks that
 * differ are written to the journal of the image instead of to their places.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const SEED = "fa57b009-0000-4000-8000-000000000004";
/** Keeps what is made the same on every run. */
const ENVIRONMENT = { ...process.env, E2FSPROGS_FAKE_TIME: "1767225600" };

/** One transaction. */
export interface Step {
  /** Commands of `debugfs` that make the changes. */
  readonly change?: readonly string[];
  /** Blocks of which what was logged before does not count. */
  readonly revoke?: readonly number[];
  /** It was cut off: it has no commit block. */
  readonly uncommitted?: boolean;
}

/** What is made. */
export interface UncleanOptions {
  readonly folder: string;
  readonly name: string;
  /** Arguments of mke2fs. */
  readonly mkfs: readonly string[];
  /** Check sums of the journal. */
  readonly sums?: 2 | 3;
  readonly steps: readonly Step[];
}

/** Paths of what {@linkcode makeUnclean} makes. */
export interface Unclean {
  /** Not unmounted. */
  readonly image: string;
  /** All that was committed is in its place, none of it in the journal. */
  readonly after: string;
}

/** Runs a program; gives what it wrote to stdout. */
export function runTool(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    encoding: "utf8",
    env: ENVIRONMENT,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs commands of `debugfs` on an image. */
export function debugfs(image: string, commands: readonly string[]): string {
  const script = `${image}.commands`;
  writeFileSync(script, commands.map((command) => `${command}\n`).join(""));
  return runTool("debugfs", "-w", "-f", script, image);
}

/** Makes an image whose journal holds transactions. */
export function makeUnclean(options: UncleanOptions): Unclean {
  const { folder, name, mkfs, sums, steps } = options;
  const image = join(folder, `${name}.img`);
  const after = join(folder, `${name}.after.img`);
  runTool(
    "mke2fs",
    "-q",
    "-F",
    "-U",
    SEED,
    "-E",
    `hash_seed=${SEED}`,
    ...mkfs.slice(0, -1),
    image,
    mkfs.at(-1)!,
  );
  copyFileSync(image, after);
  const commands = [sums === undefined ? "jo" : `jo -c -v ${sums}`];
  for (const [i, { change, revoke, uncommitted }] of steps.entries()) {
    const words = ["jw"];
    if (uncommitted) words.push("-c");
    if (revoke !== undefined) words.push("-r", revoke.join(","));
    const next = join(folder, `${name}.${i}.img`);
    copyFileSync(after, next);
    if (change !== undefined) {
      debugfs(next, change);
      const blocks = differingBlocks(after, next);
      const content = join(folder, `${name}.${i}.blocks`);
      writeFileSync(content, blocks.bytes);
      words.push("-b", blocks.numbers.join(","), content);
    }
    if (!uncommitted) copyFileSync(next, after);
    commands.push(words.join(" "));
  }
  debugfs(image, [...commands, "jc"]);
  return { image, after };
}

/** The blocks of `b` that are not as in `a`. */
function differingBlocks(
  a: string,
  b: string,
): { numbers: number[]; bytes: Uint8Array } {
  const [before, now] = [readFileSync(a), readFileSync(b)];
  const blockSize = 1024 << now.readUInt32LE(1024 + 24);
  const numbers: number[] = [];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < now.length; at += blockSize) {
    const block = now.subarray(at, at + blockSize);
    if (block.equals(before.subarray(at, at + blockSize))) continue;
    numbers.push(at / blockSize);
    parts.push(block);
  }
  const bytes = new Uint8Array(parts.length * blockSize);
  for (const [i, part] of parts.entries()) bytes.set(part, i * blockSize);
  return { numbers, bytes };
}

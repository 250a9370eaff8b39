/**
 * Tests of fixtures and of other people's programs; what is missing is a visible skip.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import type { BlockReader } from "../../src/block/reader.ts";

/** What a test of images is given. */
export interface RealImages {
  /** Paths of the fixtures, in the order of their names. */
  readonly paths: readonly string[];
  /** Opens a file; it is closed at the end of the test. */
  open(path: string): Promise<BlockReader>;
  /** A folder that is removed at the end of the test. */
  readonly folder: string;
}

/** A test of fixtures, judged by programs. */
export function imageTest(
  fixtures: readonly string[],
  programs: readonly string[],
  title: string,
  run: (images: RealImages) => Promise<void>,
): void {
  const paths = fixtures.map(findFixture);
  const missing = [
    ...fixtures.filter((_, i) => paths[i] === undefined)
      .map((name) => `deno task fixtures ${name}`),
    ...programs.filter((name) => !hasProgram(name))
      .map((name) => `install ${name}`),
  ];
  const skip = missing.length > 0
    ? { skip: `missing: ${missing.join(", ")}` }
    : {};
  test(title, skip, async () => {
    const files: { close(): Promise<void> }[] = [];
    const folder = mkdtempSync(join(tmpdir(), "fastboop-images-"));
    try {
      await run({
        paths: paths as string[],
        folder,
        async open(path) {
          const file = await openFile(path);
          files.push(file);
          return file;
        },
      });
    } finally {
      for (const file of files) await file.close();
      rmSync(folder, { recursive: true });
    }
  });
}

/** SHA-256 and size of a fixture, as they were when it was made. */
export function madeFacts(path: string): { size: number; sha256: string } {
  return JSON.parse(readFileSync(join(dirname(path), "made.json"), "utf8"));
}

/** Runs a program to its end; gives its stdout. */
export function output(
  argv: readonly string[],
  options: { readonly cwd?: string; readonly input?: string } = {},
): string {
  const [program, ...args] = argv;
  const { status, stdout, stderr, error } = spawnSync(program!, args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...Deno.env.toObject(), LC_ALL: "C.UTF-8", TZ: "UTC" },
    ...options,
  });
  if (status !== 0) {
    throw new Error(
      `"${argv.join(" ")}" ended with ${status}: ${error ?? stderr}`,
    );
  }
  return stdout;
}

function hasProgram(name: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$0"', name]).status === 0;
}

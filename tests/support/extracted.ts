/**
 * What another program extracted from an image, in the form of a manifest.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { ManifestEntry } from "../../scripts/fixtures/manifest.ts";
import { decodeName } from "../../src/bytes/text.ts";
import type { FileType } from "../../src/fs/filesystem.ts";

const TYPES: Readonly<Record<string, FileType>> = {
  f: "file",
  d: "directory",
  l: "symlink",
  c: "character-device",
  b: "block-device",
  p: "fifo",
  s: "socket",
};

/**
 * Runs a program that fills a folder, and gives what is in the folder then. Its root is there without
 * attributes: programs leave the folder that they are given as it is.
 *
 * @param argv What to run, with `@` for the folder. Time zone is UTC, text is UTF-8.
 */
export function extracted(argv: readonly string[]): ManifestEntry[] {
  const folder = mkdtempSync(join(tmpdir(), "extracted-"));
  try {
    run(argv.map((each) => each === "@" ? folder : each));
    return describeTree(folder);
  } finally {
    run(["chmod", "-R", "u+rwx", folder]);
    rmSync(folder, { recursive: true });
  }
}

function describeTree(folder: string): ManifestEntry[] {
  const sums = new Map<string, string>();
  const files = ["find", ".", "-type", "f", "-print0"];
  const hashed = run(
    ["sh", "-c", `${files.join(" ")} | xargs -0 -r sha256sum --zero`],
    folder,
  );
  for (const line of fields(hashed)) {
    const sum = line.subarray(0, 64).toString("latin1");
    sums.set(line.subarray(66).toString("latin1"), sum);
  }
  const format = "%y\\0%m\\0%U\\0%G\\0%s\\0%T@\\0%l\\0%p\\0";
  const found = fields(run(["find", ".", "-printf", format], folder));
  const entries: ManifestEntry[] = [];
  for (let i = 0; i + 7 < found.length; i += 8) {
    const [letter, mode, uid, gid, size, mtime] = found.slice(i, i + 6)
      .map((field) => field.toString("latin1"));
    const path = found[i + 7]!;
    const target = decodeName(found[i + 6]!);
    const type = TYPES[letter!]!;
    const sha256 = sums.get(path.toString("latin1"));
    if (path.length === 1) {
      entries.push({ path: "/", type } as ManifestEntry);
      continue;
    }
    entries.push({
      path: decodeName(path.subarray(1)),
      type,
      ...(type === "symlink" ? { target } : { mode: parseInt(mode!, 8) }),
      uid: Number(uid),
      gid: Number(gid),
      mtime: Math.floor(Number(mtime)),
      ...(type === "file" || type === "symlink" ? { size: Number(size) } : {}),
      ...(sha256 === undefined ? {} : { sha256 }),
    });
  }
  return entries;
}

/** Why a test that runs these programs must be skipped; `undefined` when all of them are there. */
export function missingPrograms(
  ...programs: readonly string[]
): string | undefined {
  const missing = programs.filter((program) =>
    spawnSync(program, ["--version"]).error !== undefined
  );
  return missing.length === 0
    ? undefined
    : `not installed: ${missing.join(", ")}`;
}

/** Splits at NUL; each field ends with one. */
function fields(bytes: Buffer): Buffer[] {
  const all: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0, start);
    all.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return all;
}

function run(argv: readonly string[], cwd?: string): Buffer {
  const { status, stdout, stderr, error } = spawnSync(
    argv[0]!,
    argv.slice(1),
    {
      env: { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" },
      maxBuffer: 1 << 28,
      ...(cwd === undefined ? {} : { cwd }),
    },
  );
  if (status !== 0) {
    throw new Error(
      `"${argv.join(" ")}" ended with ${error?.message ?? status}: ${
        stderr.subarray(-2000)
      }`,
    );
  }
  return stdout;
}

/**
 * A cache on a disk that is full, and on one that cannot be written: file systems of their own, in
 * a mount namespace of their own.
 *
 * @module
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import type { StoreReading } from "../support/store_reader.ts";

const READER = fileURLToPath(
  new URL("../support/store_reader.ts", import.meta.url),
);
const MIB = 1 << 20;

/** Skipped where nothing can be mounted. */
function needsMounts(): { skip?: string } {
  const { status } = spawnSync("unshare", [
    "--mount",
    "mount",
    "-t",
    "tmpfs",
    "tmpfs",
    "/mnt",
  ]);
  return status === 0 ? {} : { skip: "no mounts: only root can make them" };
}

/** Runs shell words with `$CACHE` in a namespace of their own; `read N` reads N MiB through it. */
async function inNamespace(script: string): Promise<StoreReading[]> {
  const folder = await fs.mkdtemp(join(tmpdir(), "store-full-"));
  try {
    const { status, stdout, stderr } = spawnSync("unshare", [
      "--mount",
      "sh",
      "-euc",
      `read_all() { "$DENO" run --quiet --no-check -A "$READER" "$CACHE/fastboop" $(($1 * ${MIB})); }; ${script}`,
    ], {
      encoding: "utf8",
      env: { ...process.env, CACHE: folder, DENO: process.execPath, READER },
    });
    assert.equal(status, 0, stderr);
    return stdout.trim().split("\n").map((line) => JSON.parse(line));
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}

const options = needsMounts();

test(
  "a full disk ends keeping, with one warning, and nothing else",
  options,
  async () => {
    const [first, second] = await inNamespace(`
    mount -t tmpfs -o size=8m tmpfs "$CACHE"
    read_all 16
    read_all 16
  `);
    assert.ok(first!.right);
    assert.deepEqual([first!.kept, first!.fetched], [0, 16 * MIB]);
    assert.deepEqual(first!.warnings.map(({ code }) => code), [
      "store.unusable",
    ]);
    assert.match(first!.warnings[0]!.message, /: ENOSPC; going on without/);
    // what was kept before is there
    assert.ok(second!.right);
    assert.ok(second!.kept >= 4 * MIB, `${second!.kept}`);
    assert.ok(second!.kept <= 8 * MIB, `${second!.kept}`);
  },
);

test(
  "a full disk makes room by what was used longest ago",
  options,
  async () => {
    const [first, second] = await inNamespace(`
    mount -t tmpfs -o size=8m tmpfs "$CACHE"
    read_all 6
    mv "$CACHE"/fastboop/v1/* "$CACHE/fastboop/v1/${"0".repeat(64)}"
    read_all 6
  `);
    assert.equal(first!.fetched, 6 * MIB);
    assert.ok(second!.right);
    assert.deepEqual([second!.kept, second!.fetched], [0, 6 * MIB]);
    assert.deepEqual(second!.warnings, []);
  },
);

test("a cache that cannot be written is read", options, async () => {
  const [, second] = await inNamespace(`
    mount -t tmpfs tmpfs "$CACHE"
    read_all 4
    mount -o remount,ro "$CACHE"
    read_all 8
  `);
  assert.ok(second!.right);
  assert.deepEqual([second!.kept, second!.fetched], [4 * MIB, 4 * MIB]);
  assert.match(second!.warnings[0]!.message, /: it can only be read; going on/);
  assert.equal(second!.warnings.length, 1);
});

test(
  "an empty cache that cannot be written is done without, with one warning",
  options,
  async () => {
    const [only] = await inNamespace(`
    mount -t tmpfs -o ro tmpfs "$CACHE"
    read_all 4
  `);
    assert.ok(only!.right);
    assert.deepEqual([only!.kept, only!.fetched], [0, 4 * MIB]);
    assert.deepEqual(only!.warnings.map(({ code }) => code), [
      "store.unusable",
    ]);
    assert.match(only!.warnings[0]!.message, /: EROFS; set FASTBOOP_CACHE to/);
  },
);

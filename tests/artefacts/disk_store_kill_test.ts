/**
 * Programs that keep content on disk are killed at any moment: what is kept is never wrong.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { openDiskStore } from "../../src/adapters/node/disk_store.ts";
import { randomNumbers } from "../fuzz/mutate.ts";
import { fillPattern } from "../support/pattern_reader.ts";
import { WRITTEN_BYTES, writtenSource } from "../support/store_writer.ts";

const WRITER = fileURLToPath(
  new URL("../support/store_writer.ts", import.meta.url),
);
const KILLS = 200;

interface Writer {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
}

function startWriter(folder: string, seed: number, flushBytes: number): Writer {
  const child = spawn(process.execPath, [
    "run",
    "--allow-all",
    "--no-check",
    "--quiet",
    WRITER,
    folder,
    String(seed),
    String(flushBytes),
  ], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) =>
    child.once("close", () => resolve())
  );
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout!.once("data", () => resolve());
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`writer ended: ${code}`)));
  });
  ready.catch(() => {});
  return { child, ready, ended };
}

/** Compares all that is kept with the source; gives how much that is. */
async function assertRight(folder: string): Promise<number> {
  const { identity, name, size } = writtenSource();
  const content = await openDiskStore(folder).open({ identity, name, size });
  try {
    const unit = content.extentSize;
    const into = new Uint8Array(unit);
    const right = new Uint8Array(unit);
    let kept = 0;
    for (let offset = 0; offset < size; offset += unit) {
      if (!content.has(offset, unit)) continue;
      // bytes are written before the map says so: none is even lost
      assert.ok(await content.read(offset, into), `lost at ${offset}`);
      fillPattern(offset, right);
      assert.equal(Buffer.compare(into, right), 0, `wrong at ${offset}`);
      kept += unit;
    }
    return kept;
  } finally {
    await content.close();
  }
}

/** Kills writers `times` times, `together` at once, and looks each time. */
async function killWriters(
  times: number,
  together: number,
  flushBytes: number,
) {
  const folder = await fs.mkdtemp(join(tmpdir(), "store-kill-"));
  const next = randomNumbers(times * 7 + together);
  let kept = 0;
  try {
    for (let round = 0; round < times; round++) {
      const writers = Array.from(
        { length: together },
        (_, i) => startWriter(folder, round * together + i + 1, flushBytes),
      );
      try {
        await Promise.all(writers.map(({ ready }) => ready));
        await new Promise((resolve) => setTimeout(resolve, next() % 40));
      } finally {
        for (const { child } of writers) child.kill("SIGKILL");
        await Promise.all(writers.map(({ ended }) => ended));
      }
      const now = await assertRight(folder);
      kept += now;
      // the dead hold nothing
      if (now < WRITTEN_BYTES / 2) continue;
      assert.equal((await openDiskStore(folder).prune(0)).left, 0);
    }
  } finally {
    await fs.rm(folder, { recursive: true });
  }
  return kept;
}

test(`${KILLS / 2} writers that are killed leave no wrong byte`, async () => {
  const kept = await killWriters(KILLS / 4, 1, 128 << 10) +
    await killWriters(KILLS / 4, 1, 4 << 20);
  assert.ok(kept > WRITTEN_BYTES, `${kept} bytes were kept`);
});

test(`${KILLS / 2} pairs of writers that are killed leave no wrong byte`, async () => {
  const kept = await killWriters(KILLS / 2, 2, 128 << 10);
  assert.ok(kept > WRITTEN_BYTES, `${kept} bytes were kept`);
});

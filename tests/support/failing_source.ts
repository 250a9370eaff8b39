/**
 * What files inside an image must do when the image cannot be read, or nobody waits any more.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { BlockReader } from "../../src/block/reader.ts";
import { isCoded } from "../../src/errors.ts";
import type { FileSystem } from "../../src/fs/filesystem.ts";
import {
  ControlledSource,
  settle,
  within,
} from "../conformance/controlled_source.ts";

/**
 * Fails and cancels every read of a use of an image in turn, and uses it again after each.
 *
 * @param path A file in it, to be opened and read.
 */
export async function checkFailingSource(
  bytes: Uint8Array,
  open: (image: BlockReader, signal?: AbortSignal) => Promise<FileSystem>,
  path: string,
): Promise<void> {
  const use = async (files: FileSystem, signal?: AbortSignal) => {
    const reader = await files.open(path, { signal });
    const into = new Uint8Array(reader.size);
    await reader.read(0, into, { signal });
    return into;
  };
  const source = new ControlledSource(bytes);
  const expected = await use(await open(source));
  const opening = new ControlledSource(bytes);
  await open(opening);
  const openingReads = opening.requests;
  const usingReads = source.requests - openingReads;
  assert.ok(openingReads > 0 && usingReads > 0);

  for (let good = 0; good < usingReads; good++) {
    const failing = new ControlledSource(bytes);
    const files = await open(failing);
    const read = failing.read.bind(failing);
    let left = good;
    failing.read = (...args) => {
      if (left-- === 0) failing.failures = 1;
      return read(...args);
    };
    await assert.rejects(
      use(files),
      (error) => isCoded(error, "read.failed"),
      `read ${good} failed`,
    );
    assert.deepEqual(await use(files), expected, `after read ${good} failed`);
  }
  for (let good = 0; good < openingReads; good++) {
    const failing = new ControlledSource(bytes);
    failing.failures = 1;
    await assert.rejects(
      open(failing),
      (error) => isCoded(error, "read.failed"),
    );
  }

  const held = new ControlledSource(bytes);
  const files = await open(held);
  const reason = new Error("left");
  const controller = new AbortController();
  held.hold();
  const leaving = use(files, controller.signal);
  leaving.catch(() => {});
  const staying = use(files);
  await settle();
  controller.abort(reason);
  await assert.rejects(within(5000, leaving), (error) => error === reason);
  held.release();
  assert.deepEqual(await within(5000, staying), expected);
  await settle();
  assert.equal(held.pending, 0);
}

import assert from "node:assert/strict";
import test from "node:test";
import { readManifest } from "../../../scripts/fixtures/manifest.ts";
import { compareWithManifest } from "../../../tests/support/compare.ts";
import { withHead2 } from "../../../tests/support/erofs_head2.ts";
import {
  sealSuperblock,
  smallImage,
} from "../../../tests/support/erofs_images.ts";
import { openMemory } from "../../block/memory.ts";
import type { ErofsInode } from "./image.ts";
import { openErofs } from "./open.ts";

const other = (algorithm: number) => (algorithm + 1) % 4;

for (
  const name of [
    "lz4-legacy",
    "zstd-legacy",
    "lz4hc",
    "lz4hc-big",
    "deflate",
    "ztailpacking",
    "b512-lz4hc",
  ]
) {
  const { bytes, path } = smallImage(name);

  test(`openErofs() reads ${name} with HEAD2 for every HEAD1`, async () => {
    const { bytes: image, counts } = await withHead2(bytes, {
      every: 1,
      algorithms: (right) => other(right) | right << 4,
    });
    assert.ok(counts.head2 > 0, JSON.stringify(counts));
    const { differences } = await compareWithManifest(
      await openErofs(openMemory(image)),
      readManifest(path),
    );
    assert.deepEqual(differences, []);
  });

  test(`openErofs() reads ${name} with HEAD2 among HEAD1`, async () => {
    const { bytes: image, counts } = await withHead2(bytes, {
      every: 2,
      algorithms: (right) => right | right << 4,
    });
    assert.ok(counts.head2 > 0 && counts.head1 > 0, JSON.stringify(counts));
    const { differences } = await compareWithManifest(
      await openErofs(openMemory(image)),
      readManifest(path),
    );
    assert.deepEqual(differences, []);
  });

  test(`openErofs() decodes HEAD2 of ${name} by the second algorithm`, async () => {
    const { bytes: image } = await withHead2(bytes, {
      every: 1,
      algorithms: (right) => right | other(right) << 4,
    });
    const compared = openErofs(openMemory(image)).then((files) =>
      compareWithManifest(files, readManifest(path))
    );
    await assert.rejects(compared, { code: "erofs.damaged" });
  });
}

test("openErofs() does not take for an extent what another algorithm made of its place", async () => {
  const { bytes } = smallImage("lz4-legacy");
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const files = await openErofs(openMemory(bytes));
  const headerOf = async (path: string) => {
    const { headEnd } = await files.stat(path) as ErofsInode;
    return Math.ceil(headEnd / 8) * 8;
  };
  const [lines, mixed] = [await headerOf("/lines"), await headerOf("/mixed")];
  view.setUint32(mixed + 20, view.getUint32(lines + 20, true), true);
  view.setUint16(mixed + 16, 3, true); // HEAD2
  view.setUint8(mixed + 6, 3 << 4); // HEAD2 is Zstandard
  sealSuperblock(copy);

  const damaged = await openErofs(openMemory(copy));
  const read = async (path: string) =>
    await (await damaged.open(path)).read(0, new Uint8Array(10));
  await read("/lines"); // the rest of the extent is kept
  await assert.rejects(read("/mixed"), { code: "erofs.damaged" });
});

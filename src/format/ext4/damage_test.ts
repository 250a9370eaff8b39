import assert from "node:assert/strict";
import test from "node:test";
import { exercise } from "../../../tests/support/exercise.ts";
import {
  cutExt4,
  ext4SmallImage,
  ext4SmallImages,
  withoutSums,
  withSuperblock,
} from "../../../tests/support/ext4_images.ts";
import { findExt4Structures } from "../../../tests/support/ext4_structures.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { isCoded } from "../../errors.ts";
import { openExt4 } from "./open.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const use = (bytes: Bytes, maxEntries?: number) =>
  exercise(() => openExt4(openMemory(bytes)), maxEntries);

function flip(bytes: Bytes, bit: number): Bytes {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

const IMAGES = ext4SmallImages();

for (const { name, bytes } of IMAGES) {
  test(`openExt4() refuses ${name} cut short at each structure`, async () => {
    const structures = await findExt4Structures(bytes);
    assert.ok(structures.length > 10, `${structures.length} structures`);
    const step = Math.ceil(structures.length / 100);
    for (let i = 0; i < structures.length; i += step) {
      const at = structures[i]!;
      for (const size of [at - 1, at, at + 1]) {
        const { opened, codes } = await use(cutExt4(bytes, size));
        assert.ok(!opened && codes.length === 1, `cut at ${size}: ${codes}`);
        // as damage inside the image: the superblock is content with what there is
        await use(cutExt4(bytes, size, true), 20);
      }
    }
  });

  test(`openExt4() survives flipped bits in the superblock of ${name}`, async () => {
    let opened = 0;
    // every byte, each with other bits
    for (let bit = 0; bit < 0x180 * 8; bit += 7) {
      const changed = withSuperblock(bytes, (superblock) => {
        const at = bit >> 3;
        superblock.setUint8(at, superblock.getUint8(at) ^ (1 << (bit & 7)));
      });
      if ((await use(changed, 4)).opened) opened++;
    }
    assert.ok(opened > 0);
  });

  test(`openExt4() survives flipped bits without check sums in ${name}`, async () => {
    const bare = withoutSums(bytes);
    const structures = await findExt4Structures(bare);
    let refused = 0;
    for (let i = 0; i < 150; i++) {
      // near a structure, where it matters most; the step visits all of them
      const at = structures[(i * 7) % structures.length]! + ((i * 13) % 64);
      const bit = Math.min(at, bytes.length - 1) * 8 + (i % 8);
      if ((await use(flip(bare, bit), 40)).codes.length > 0) refused++;
    }
    assert.ok(refused > 0);
  });
}

/** Everything that can be found in an image, as text; the code of an error in place of what it hid. */
async function describe(bytes: Bytes): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const files = await openExt4(openMemory(bytes));
  for await (const { path, inode } of files.walk("/")) {
    const { type, size, mode, uid, mtime, number } = inode;
    let content = "";
    if (type === "symlink") content = await files.source.readLink(inode);
    if (type === "file") {
      const reader = files.source.open(inode);
      content = String(await readExactly(reader, 0, Math.min(size, 20_000)));
    }
    found.set(path, [type, size, mode, uid, mtime, number, content].join());
  }
  return found;
}

for (const name of ["flat", "inline", "crowd"]) {
  test(`openExt4() never gives other names, attributes or places for ${name} with flipped bits`, async () => {
    const { bytes } = ext4SmallImage(name);
    const good = await describe(bytes);
    const structures = await findExt4Structures(bytes);
    let refused = 0;
    for (let i = 0; i < 200; i++) {
      const at = structures[(i * 11) % structures.length]! + ((i * 29) % 128);
      const bit = Math.min(at, bytes.length - 1) * 8 + (i % 8);
      try {
        const found = await describe(flip(bytes, bit));
        assert.deepEqual(found, good, `bit ${bit}`);
      } catch (error) {
        assert.ok(isCoded(error), String(error));
        assert.match(error.code, /^ext4\./);
        refused++;
      }
    }
    assert.ok(refused > 50, `${refused} refused`);
  });
}

test("openExt4() says where a check sum is wrong", async () => {
  const { bytes } = ext4SmallImage("flat");
  const files = await openExt4(openMemory(bytes));
  const { inodesPerGroup, inodeSize } = files.source.superblock;
  const { number } = await files.stat("/sizes/1");
  assert.ok(number <= inodesPerGroup);
  const table = new DataView(bytes.buffer).getUint32(2048 + 8, true) * 1024;
  const at = table + (number - 1) * inodeSize;
  const damaged = await openExt4(
    openMemory(flip(bytes, at * 8), { name: "bad.img" }),
  );
  await assert.rejects(damaged.stat("/sizes/1"), (error) => {
    assert.ok(isCoded(error, "ext4.checksum-mismatch"));
    assert.match(
      error.message,
      new RegExp(
        `^Cannot read inode ${number} of "bad.img": check sum at byte ${
          at + 124
        } is 0x[0-9a-f]{8}, expected 0x[0-9a-f]{8}; the image may be damaged, e2fsck`,
      ),
    );
    assert.equal(error.facts["position"], at + 124);
    return true;
  });
});

test("openExt4() names the features that it does not read", async () => {
  const { bytes } = ext4SmallImage("flat");
  const refused = async (bits: number) => {
    const changed = withSuperblock(bytes, (superblock) => {
      superblock.setUint32(96, superblock.getUint32(96, true) | bits, true);
    });
    const error = await openExt4(openMemory(changed)).then(
      () => undefined,
      (error) => error,
    );
    assert.ok(isCoded(error, "ext4.unsupported-feature"), String(error));
    return error.facts["features"];
  };
  assert.equal(await refused(0x1), "compression");
  assert.equal(await refused(0x8), "journal_dev");
  assert.equal(await refused(0x1000), "dirdata");
  assert.equal(await refused(0x80000), "FEATURE_I19");
  assert.equal(await refused(0x80000001), "compression,FEATURE_I31");
  const harmless = withSuperblock(bytes, (superblock) => {
    superblock.setUint32(92, superblock.getUint32(92, true) | 0x40000000, true);
    superblock.setUint32(
      100,
      superblock.getUint32(100, true) | 0x20000000,
      true,
    );
  });
  const { source } = await openExt4(openMemory(harmless));
  assert.ok(source.features.includes("FEATURE_C30"));
  assert.ok(source.features.includes("FEATURE_R29"));
});

test("openExt4() says what is wrong with a superblock, and that there are others", async () => {
  const { bytes } = ext4SmallImage("flat");
  await assert.rejects(
    openExt4(openMemory(flip(bytes, (1024 + 40) * 8), { name: "a.img" })),
    (error) => {
      assert.ok(isCoded(error, "ext4.checksum-mismatch"));
      assert.match(
        error.message,
        /at byte 2044 is .* backup of the superblock/,
      );
      return true;
    },
  );
  const zeroed = bytes.slice();
  zeroed.fill(0, 1024, 2048);
  await assert.rejects(openExt4(openMemory(zeroed)), {
    code: "ext4.bad-magic",
  });
  await assert.rejects(openExt4(openMemory(bytes.slice(0, 2000))), {
    code: "ext4.truncated",
  });
  const large = withSuperblock(bytes, (superblock) => {
    superblock.setUint32(24, 7, true);
  });
  await assert.rejects(openExt4(openMemory(large)), {
    code: "ext4.bad-superblock",
  });
});

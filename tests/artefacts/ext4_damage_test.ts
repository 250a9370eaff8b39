import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { EXT4_VARIANTS } from "../../scripts/fixtures/ext4_variants.ts";
import { openMemory } from "../../src/block/memory.ts";
import { openExt4 } from "../../src/format/ext4/open.ts";
import { exercise } from "../support/exercise.ts";
import { cutExt4, sealExt4Superblock } from "../support/ext4_images.ts";
import { findExt4Structures } from "../support/ext4_structures.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const use = (bytes: Bytes) => exercise(() => openExt4(openMemory(bytes)), 30);

for (const { name, size } of EXT4_VARIANTS) {
  const fixture = `odd.ext4-${name}`;
  const path = findFixture(fixture);
  const skip = path === undefined
    ? { skip: `missing: run deno task fixtures ${fixture}` }
    : size === "512M"
    ? { skip: "too large to be kept in memory; smaller ones are of its kind" }
    : {};
  test(
    `${fixture}: cut short or with flipped bits, it is an error with a code`,
    skip,
    async () => {
      const bytes: Bytes = new Uint8Array(readFileSync(path!));
      const structures = await findExt4Structures(bytes);
      assert.ok(structures.length > 100);
      const step = Math.ceil(structures.length / 40);
      let refused = 0;
      for (let i = 0; i < structures.length; i += step) {
        const at = structures[i]!;
        // in place: a copy for each would take longer than the rest
        const spot = at + (i * 13) % 48;
        const bit = 1 << (i % 8);
        bytes[spot]! ^= bit;
        if (spot < 2048) sealExt4Superblock(bytes);
        if ((await use(bytes)).codes.length > 0) refused++;
        bytes[spot]! ^= bit;
        if (spot < 2048) sealExt4Superblock(bytes);
      }
      for (let i = 0; i < structures.length; i += step * 4) {
        const { opened, codes } = await use(cutExt4(bytes, structures[i]!));
        assert.ok(!opened && codes.length === 1, codes.join());
        await use(cutExt4(bytes, structures[i]!, true));
      }
      assert.ok((await use(bytes)).read, "as before");
      assert.ok(refused > 0, "no damage was seen");
    },
  );
}

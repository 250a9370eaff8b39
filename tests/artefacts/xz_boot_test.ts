import assert from "node:assert/strict";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withRecord } from "../../src/block/record.ts";
import { planParts } from "../../src/boot/plan.ts";
import { BUILTIN_PROFILES } from "../../src/device/builtin.ts";
import { openImage } from "../../src/image/open_image.ts";

const NAME = "debian-arm64.gpt.xz";
const DISK = findFixture(NAME);
/** Of the file. Modules are in it as they were, so that what they lie in is as large as they are. */
const SHARE = 0.35;

test(
  "a boot image from a disk in xz costs a third of the file",
  DISK === undefined ? { skip: `missing: deno task fixtures ${NAME}` } : {},
  async (context) => {
    const profile = BUILTIN_PROFILES.find(({ id }) => id === "oneplus-fajita");
    const file = await openFile(DISK!);
    try {
      const recorded = withRecord(file);
      const image = await openImage(recorded);
      const others = image.others.map(({ files }) => files);
      await planParts(image.files, profile!, { others });
      await image.close();
      const { bytes, requests } = recorded.report;
      const share = bytes / file.size;
      context.diagnostic(
        `${
          (share * 100).toFixed(1)
        } % of ${file.size} bytes, ${requests} reads`,
      );
      assert.ok(share <= SHARE, `${share}`);
    } finally {
      await file.close();
    }
  },
);

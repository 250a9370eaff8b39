import assert from "node:assert/strict";
import test from "node:test";
import { findFixture, RECIPES } from "../../scripts/fixtures/all.ts";
import { readManifest } from "../../scripts/fixtures/manifest.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { openExt4 } from "../../src/format/ext4/open.ts";
import { compareWithManifest } from "../support/compare.ts";

const NAMES = [...RECIPES].map(({ name }) => name)
  .filter((name) => /^odd\.ext4-/.test(name) && name !== "odd.ext4-root");

/** A test of a fixture; a missing one is a visible skip. */
function fixtureTest(
  name: string,
  title: string,
  run: (path: string) => Promise<void>,
): void {
  const path = findFixture(name);
  const skip = path === undefined
    ? { skip: `missing: run deno task fixtures ${name}` }
    : {};
  test(`${name}: ${title}`, skip, () => run(path!));
}

for (const name of NAMES) {
  fixtureTest(name, "every path is as debugfs extracts it", async (path) => {
    const file = await openFile(path);
    try {
      const recorded = withRecord(file);
      const files = await openExt4(withReadAhead(recorded));
      assert.ok(recorded.report.requests <= 3, "opening costs at most 3 reads");
      const { differences, paths } = await compareWithManifest(
        files,
        readManifest(path),
      );
      assert.deepEqual(differences, []);
      assert.ok(paths > 3000, `${paths} paths`);
    } finally {
      await file.close();
    }
  });
}

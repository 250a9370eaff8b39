import test from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findFixture, RECIPES } from "../../scripts/fixtures/all.ts";
import { COMMITTED } from "../../scripts/fixtures/committed.ts";
import { manifestPath, readManifest } from "../../scripts/fixtures/manifest.ts";

const images = readdirSync(COMMITTED).filter((name) => name.endsWith(".erofs"));

test("committed images are those of their page", () => {
  const page = readFileSync(join(COMMITTED, "README.md"), "utf8");
  for (const name of images) {
    const section = page.split(/^## /m).find((text) =>
      text.startsWith(`${name}\n`)
    );
    const said = /`([0-9a-f]{64})`/.exec(section ?? "")?.[1];
    const image = readFileSync(join(COMMITTED, name));
    assert.equal(createHash("sha256").update(image).digest("hex"), said, name);
  }
  assert.equal(images.length, page.match(/^## /gm)?.length);
});

test("committed images take at most 700 KiB together", () => {
  const sizes = readdirSync(COMMITTED).map((name) =>
    readFileSync(join(COMMITTED, name)).length
  );
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 700 << 10);
});

test("readManifest() gives every path once, in order of bytes, with what belongs to its type", () => {
  for (const name of images) {
    const entries = readManifest(join(COMMITTED, name));
    assert.equal(entries[0]?.path, "/", name);
    assert.equal(new Set(entries.map(({ path }) => path)).size, entries.length);
    for (const entry of entries) {
      assert.equal(
        entry.sha256 !== undefined,
        entry.type === "file",
        entry.path,
      );
      assert.equal(
        entry.target !== undefined,
        entry.type === "symlink",
        entry.path,
      );
      assert.equal(
        entry.rdev !== undefined,
        entry.type.endsWith("-device"),
        entry.path,
      );
    }
  }
  assert.equal(readManifest(join(COMMITTED, "names.erofs")).length, 3002);
});

test("readManifest() keeps bytes that are not UTF-8 as lone surrogates", () => {
  const entries = readManifest(join(COMMITTED, "plain.erofs"));
  const found = entries.find(({ path }) => path === "/names/latin-\udce9");
  assert.equal(found?.pathHex, "2f6e616d65732f6c6174696e2de9");
  const names = entries.filter(({ path }) => path.startsWith("/names/cut-"));
  assert.deepEqual(names.map(({ path }) => path), ["/names/cut-\udce2\udc98"]);
});

test("findFixture() gives what exists, and a RangeError for a name without recipe", () => {
  for (const { name } of RECIPES) {
    const path = findFixture(name);
    if (path !== undefined) assert.ok(existsSync(path), path);
    if (path !== undefined && name.includes(".erofs-")) {
      assert.ok(existsSync(manifestPath(path)), path);
    }
  }
  assert.throws(() => findFixture("no-such"), RangeError);
});

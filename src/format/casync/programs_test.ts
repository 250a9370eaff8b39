import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { oneSquashfs } from "../../../tests/support/squashfs_images.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { openSquashfs } from "../squashfs/open.ts";
import { isCasyncIndex } from "./index.ts";
import { openCasync } from "./open.ts";

const FOLDER = fileURLToPath(
  new URL("../../../tests/fixtures/casync/", import.meta.url),
);

for (
  const [name, digest] of [
    ["casync-xz", "sha256"],
    ["desync", "sha512-256"],
  ] as const
) {
  test(`openCasync() reads what ${name} made`, async () => {
    const bytes = new Uint8Array(readFileSync(`${FOLDER}${name}.caibx`));
    assert.ok(isCasyncIndex(bytes));
    const reader = await openCasync(openMemory(bytes), {
      store: (path) => {
        const file = `${FOLDER}${name}.store/${path}`;
        const found = existsSync(file) ? readFileSync(file) : undefined;
        return Promise.resolve(found && new Uint8Array(found));
      },
    });
    assert.equal(reader.index.digest, digest);
    assert.equal(reader.index.count, 11);
    const image = oneSquashfs("raw").bytes;
    assert.deepEqual(await readExactly(reader, 0, reader.size), image);
    const files = await openSquashfs(reader);
    assert.equal((await files.stat("/size-4097")).size, 4097);
  });
}

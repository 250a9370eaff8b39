import assert from "node:assert/strict";
import test from "node:test";
import { buildBinary } from "../../scripts/build_binary.ts";
import { run } from "../../scripts/lib/run.ts";
import { smallImage } from "../support/erofs_images.ts";

test("the single executable runs without anything beside it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/fastboop`;
    await buildBinary(path);
    const image = smallImage("zstd").path;
    const env = { PATH: "/nonexistent" };
    const inspected = await run([path, "inspect", "--json", image], { env });
    assert.equal(inspected.code, 0, inspected.output);
    assert.equal(JSON.parse(inspected.output).fileSystem, "erofs");
    const version = await run([path, "version"], { env });
    assert.match(version.output, /^fastboop \d+\.\d+\.\d+\n$/);
    const rules = await run([path, "udev"], { env });
    assert.match(rules.output, /ATTR\{idVendor\}=="18d1"/);
    const wrong = await run([path, "inspect"], { env });
    assert.equal(wrong.code, 2, wrong.output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

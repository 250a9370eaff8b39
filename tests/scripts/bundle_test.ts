import assert from "node:assert/strict";
import test from "node:test";
import { build } from "esbuild";

/** Bytes, minified; mostly the WASM core in base64. To be raised with a reason. */
const MAX_SIZE = 900_000;

test("the library bundles for browsers, without anything of a runtime", async () => {
  const { outputFiles } = await build({
    entryPoints: ["mod.ts"],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
  });
  const [file] = outputFiles;
  assert.ok(
    file !== undefined && file.contents.length < MAX_SIZE,
    `${file?.contents.length}`,
  );
  assert.doesNotMatch(file.text, /["']node:|\bDeno\.|\bprocess\.env/);
});

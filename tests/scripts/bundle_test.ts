import assert from "node:assert/strict";
import test from "node:test";
import { build } from "esbuild";

/**
 * Bytes that a page loads at once, minified, if it uses all of the library: the WASM core in base64 takes
 * 600 KB of it, every reader and the schemas the rest. To be raised with a reason.
 */
const MAX_SIZE = 1_200_000;
/** Bytes of each part that is loaded when it is needed: a stage0 in base64, 160 KiB at most. */
const MAX_PART = 220_000;

test("the library bundles for browsers, without anything of a runtime", async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: ["mod.ts"],
    outdir: "dist",
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
  });
  const atOnce = new Set<string>();
  const load = (path: string) => {
    if (atOnce.has(path)) return;
    atOnce.add(path);
    for (const { path: next, kind } of metafile.outputs[path]!.imports) {
      if (kind === "import-statement") load(next);
    }
  };
  load("dist/mod.js");
  let size = 0;
  for (const [path, { bytes }] of Object.entries(metafile.outputs)) {
    if (atOnce.has(path)) size += bytes;
    else assert.ok(bytes < MAX_PART, `${path} has ${bytes} bytes`);
  }
  assert.ok(size > 0 && size < MAX_SIZE, `${size}`);
  for (const { text } of outputFiles) {
    assert.doesNotMatch(text, /["']node:|\bDeno\.|\bprocess\.env/);
  }
});

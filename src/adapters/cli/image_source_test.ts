import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { pathToFileURL } from "node:url";
import { smallImage } from "../../../tests/support/erofs_images.ts";
import type { ImageOptions } from "./command.ts";
import { withSource } from "./image_source.ts";
import type { Output } from "./output.ts";

const folder = mkdtempSync(join(tmpdir(), "fastboop-image-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const IMAGE = join(folder, "image.erofs");
writeFileSync(IMAGE, smallImage("plain").bytes);

const OUTPUT: Output = {
  result: () => Promise.resolve(),
  warn: (message) => assert.fail(message),
  terminal: false,
  version: "0",
  progress: { write: () => {}, live: false, colours: false, columns: 80 },
};

function optionsOf(path: string): ImageOptions {
  return {
    path,
    roots: [],
    digest: undefined,
    headers: [],
    proxy: undefined,
    spool: false,
    cache: false,
    offline: false,
  };
}

test("openSource() tells which local files it opened", async () => {
  const document = join(folder, "image.yaml");
  writeFileSync(document, "file: image.erofs\n");
  for (
    const [path, expected] of [
      [IMAGE, [IMAGE]],
      [pathToFileURL(IMAGE).href, [IMAGE]],
      [document, [document, IMAGE]],
    ] as const
  ) {
    const { signal } = new AbortController();
    await withSource(optionsOf(path), OUTPUT, signal, (source) => {
      assert.deepEqual(source.localFiles, expected);
      return Promise.resolve();
    });
  }
});

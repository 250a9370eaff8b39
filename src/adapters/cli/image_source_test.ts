import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { after } from "node:test";
import { pathToFileURL } from "node:url";
import { makeCasync } from "../../../tests/support/casync_made.ts";
import { smallImage } from "../../../tests/support/erofs_images.ts";
import { parsePipeline } from "../../pipeline/parse.ts";
import type { Step } from "../../pipeline/step.ts";
import { type ImageOptions, UsageError } from "./command.ts";
import { withSource } from "./image_source.ts";
import type { Output } from "./output.ts";
import { localPath } from "./sources.ts";

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

test("pipelines in the documentation can be read", () => {
  for (
    const [page, kinds] of [
      ["README.md", ["gpt", "xz", "http"]],
      ["docs/FORMATS.md", ["gpt", "xz, content", "tar", "http"]],
    ] as const
  ) {
    const text = readFileSync(
      new URL(`../../../${page}`, import.meta.url),
      "utf8",
    );
    const [, document] = /```yaml\n((?:#.*\n)?gpt:[^`]*)```/.exec(text) ?? [];
    const found: string[] = [];
    let step: Step | undefined = parsePipeline(document ?? "", page);
    while (step !== undefined) {
      found.push(
        step.content === undefined ? step.kind : `${step.kind}, content`,
      );
      step = "source" in step ? step.source : undefined;
    }
    assert.deepEqual(found, kinds);
  }
});

test("openSource() opens paths and file URLs, and tells which files it opened", async () => {
  const document = join(folder, "image.yaml");
  writeFileSync(document, "file: image.erofs\n");
  const url = join(folder, "url.yaml");
  writeFileSync(url, `file: ${pathToFileURL(IMAGE)}\n`);
  const { index, files } = await makeCasync(readFileSync(IMAGE));
  const chunked = join(folder, "image.caibx");
  writeFileSync(chunked, index);
  for (const [path, bytes] of files) {
    const file = join(folder, "default.castr", path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
  const casync = join(folder, "casync.yaml");
  writeFileSync(casync, `casync: ${pathToFileURL(chunked)}\n`);
  const store = join(folder, "store.yaml");
  writeFileSync(
    store,
    `casync:\n  index: image.caibx\n  chunk_store: ${
      pathToFileURL(join(folder, "default.castr"))
    }\n`,
  );
  for (
    const [path, expected] of [
      [IMAGE, [IMAGE]],
      [pathToFileURL(IMAGE).href, [IMAGE]],
      [document, [document, IMAGE]],
      [pathToFileURL(document).href, [document, IMAGE]],
      [url, [url, IMAGE]],
      [chunked, [chunked]],
      [pathToFileURL(chunked).href, [chunked]],
      [casync, [casync, chunked]],
      [store, [store, chunked]],
    ] as const
  ) {
    const { signal } = new AbortController();
    await withSource(optionsOf(path), OUTPUT, signal, (source) => {
      assert.deepEqual(source.localFiles, expected);
      return Promise.resolve();
    });
  }
});

test("localPath() takes paths and URLs of files, and nothing else", () => {
  assert.equal(localPath("a b.img"), "a b.img");
  assert.equal(localPath(pathToFileURL(IMAGE).href), IMAGE);
  for (const place of ["file://other/x", "file:///a%2fb", "ftp://host/x"]) {
    assert.throws(() => localPath(place), UsageError, place);
  }
});

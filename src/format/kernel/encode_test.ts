import assert from "node:assert/strict";
import test from "node:test";
import { madeBzImage, madeImage } from "../../../tests/support/made_kernel.ts";
import { gzip } from "../../wasm/codecs.ts";
import { encodeKernel, KERNEL_ENCODINGS } from "./encode.ts";
import { identifyKernel } from "./identify.ts";
import { unwrapKernel } from "./unwrap.ts";

const image = madeImage();

test("encodeKernel() gives each encoding, and the same bytes each time", async () => {
  const kernel = await unwrapKernel(image);
  const formats = [];
  for (const encoding of KERNEL_ENCODINGS) {
    const bytes = await encodeKernel(kernel, encoding);
    formats.push(identifyKernel(bytes));
    assert.deepEqual(bytes, await encodeKernel(kernel, encoding));
    assert.deepEqual((await unwrapKernel(bytes)).image, image);
  }
  assert.deepEqual(formats, ["arm64", "gzip", "lz4-legacy", "zstd"]);
});

test("encodeKernel() passes gzip data through where gzip is wanted", async () => {
  const packed = await gzip(image, { level: 1 });
  const kernel = await unwrapKernel(packed);
  assert.deepEqual(await encodeKernel(kernel, "image.gz"), packed);
  assert.deepEqual(await encodeKernel(kernel, "image"), image);
});

test("encodeKernel() passes no gzip data through that holds more than the kernel", async () => {
  const twice = await gzip(await gzip(image));
  const bytes = await encodeKernel(await unwrapKernel(twice), "image.gz");
  assert.deepEqual((await unwrapKernel(bytes)).layers, ["gzip"]);
});

test("encodeKernel() refuses to compress an x86 kernel", async () => {
  const kernel = await unwrapKernel(madeBzImage(1600), { name: "vmlinuz" });
  assert.equal(await encodeKernel(kernel, "image"), kernel.image);
  await assert.rejects(encodeKernel(kernel, "image.gz"), {
    code: "kernel.wrong-encoding",
    message:
      'Cannot encode kernel "vmlinuz" as image.gz: found an x86 bzImage, expected an arm64 Image; use the encoding image',
  });
});

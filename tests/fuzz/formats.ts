/**
 * Damaged archives, boot images, kernels and device trees, from whole ones.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isCoded } from "../../src/errors.ts";
import { buildBootImage } from "../../src/format/bootimg/build.ts";
import { parseBootImage } from "../../src/format/bootimg/parse.ts";
import {
  buildVendorBootImage,
  parseVendorBootImage,
} from "../../src/format/bootimg/vendor_boot.ts";
import { readCpio } from "../../src/format/cpio/read.ts";
import { applyOverlays } from "../../src/format/fdt/overlay.ts";
import { describeDtb } from "../../src/format/fdt/describe.ts";
import { kernelRelease } from "../../src/format/kernel/release.ts";
import { unwrapKernel } from "../../src/format/kernel/unwrap.ts";
import {
  type CpioEntry,
  gzip,
  lz4LegacyEncode,
  packCpio,
  zstdEncode,
} from "../../src/wasm/codecs.ts";
import { madeBzImage, madeImage, madeZboot } from "../support/made_kernel.ts";
import { mutate, randomNumbers } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A whole file, where its structures start, and what reads it. */
interface Seed {
  readonly name: string;
  readonly bytes: Bytes;
  readonly spots: readonly number[];
  use(bytes: Bytes): unknown;
}

const MAX = { maxSize: 8 << 20 };
const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));

const ENTRIES: readonly CpioEntry[] = [
  { path: "etc", type: "dir" },
  { path: "etc/motd", type: "file", data: new Uint8Array(5000).fill(65) },
  { path: "etc/empty", type: "file", data: new Uint8Array(0) },
  { path: "etc/link", type: "symlink", target: "motd" },
  { path: "dev/null", type: "char", major: 1, minor: 3 },
  { path: "a", type: "file", data: Uint8Array.of(1), linkGroup: 0 },
  { path: "b", type: "file", data: Uint8Array.of(1), linkGroup: 0 },
];

let seeds: Promise<readonly Seed[]> | undefined;

/** Archives, boot images, kernels and device trees. */
export const formatsTarget: FuzzTarget = {
  async makeInput(run) {
    const all = await (seeds ??= makeSeeds());
    const next = randomNumbers(run);
    const { name, bytes, spots } = all[next() % all.length]!;
    return { name, bytes: mutate(bytes, spots, next) };
  },
  async runInput(name, bytes) {
    const all = await (seeds ??= makeSeeds());
    try {
      await all.find((seed) => seed.name === name)!.use(bytes);
      return { opened: true, read: true };
    } catch (error) {
      if (!isCoded(error) || error.code.startsWith("wasm.")) throw error;
      return { opened: !/magic|unknown|not-/.test(error.code), read: false };
    }
  },
};

async function makeSeeds(): Promise<readonly Seed[]> {
  const cpio = await packCpio(ENTRIES);
  const kernel = madeImage();
  const gzipped = await gzip(kernel);
  const dtb = read("fdt/base.dtb");
  const seed = (
    name: string,
    bytes: Bytes,
    use: Seed["use"],
    spots: readonly number[] = every(bytes, 64, 16),
  ): Seed => ({ name, bytes, use, spots });
  const archive = (bytes: Bytes) => readCpio(bytes, MAX);
  const boot = (bytes: Bytes) => parseBootImage(bytes);
  const unwrap = async (bytes: Bytes) => {
    const unwrapped = await unwrapKernel(bytes, MAX);
    return kernelRelease(unwrapped);
  };
  const params = { headerVersion: 0, pageSize: 2048 };
  const parts = { kernel: gzipped, ramdisk: cpio, cmdline: "quiet splash" };
  return [
    seed("cpio", cpio, archive, every(cpio, 110, 40)),
    seed("cpio-gzip", await gzip(cpio), archive),
    seed("cpio-lz4", await lz4LegacyEncode(cpio), archive),
    seed("cpio-zstd", await zstdEncode(cpio), archive),
    seed("bootimg-v0", (await buildBootImage(params, parts)).bytes, boot),
    seed(
      "bootimg-v2",
      (await buildBootImage({ ...params, headerVersion: 2 }, { ...parts, dtb }))
        .bytes,
      boot,
    ),
    seed(
      "bootimg-v4",
      (await buildBootImage({ headerVersion: 4, pageSize: 4096 }, parts)).bytes,
      boot,
    ),
    seed(
      "vendor-boot",
      buildVendorBootImage({ headerVersion: 4, pageSize: 4096 }, {
        ramdisk: cpio,
        dtb,
      }),
      (bytes) => parseVendorBootImage(bytes),
    ),
    seed("kernel-zboot", madeZboot("gzip", gzipped), unwrap),
    seed(
      "kernel-bzimage",
      madeBzImage(40000),
      unwrap,
      every(new Uint8Array(1024), 16, 64),
    ),
    ...readdirSync(`${FIXTURES}kernel`).filter((file) =>
      file.startsWith("Image.")
    )
      .map((file) => seed(`kernel-${file}`, read(`kernel/${file}`), unwrap)),
    seed("dtb", dtb, (bytes) => describeDtb(bytes)),
    seed(
      "dtbo",
      read("fdt/labels.dtbo"),
      (bytes) => applyOverlays(dtb, [{ name: "overlay", bytes }]),
    ),
    seed(
      "dtb-under-overlay",
      dtb,
      (bytes) =>
        applyOverlays(bytes, [{
          name: "overlay",
          bytes: read("fdt/labels.dtbo"),
        }]),
    ),
  ];
}

function read(path: string): Bytes {
  return new Uint8Array(readFileSync(`${FIXTURES}${path}`));
}

/** The first `count` multiples of `step` that lie in `bytes`. */
function every(bytes: Uint8Array, step: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i * step)
    .filter((at) => at < bytes.length);
}

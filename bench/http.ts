/**
 * Reading from a web server beside curl, and what a boot image costs over HTTP.
 *
 * The server is a program of its own. Ours reads through `withHttpAccess()` in pieces of 1 MiB; curl
 * writes to /dev/null, start of the process included.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { BenchCase } from "../scripts/lib/bench_case.ts";
import { loadProfiles } from "../src/adapters/node/profiles.ts";
import { planBoot } from "../src/boot/plan.ts";
import { openErofs } from "../src/format/erofs/open.ts";
import { withHttpAccess } from "../src/http/access.ts";
import { openHttp } from "../src/http/open.ts";
import { openHttpStream } from "../src/http/stream.ts";
import { storedSize } from "../tests/support/boot_files.ts";

const PHONE = "oneplus-fajita";
const SERVE = fileURLToPath(
  new URL("../tests/support/http_server_program.ts", import.meta.url),
);

/** Serves `content` from another process for as long as `use` runs. */
async function withServer<T>(
  content: string,
  latencyMs: number,
  use: (url: string) => Promise<T>,
): Promise<T> {
  const argv = ["run", "--allow-all", "--no-check", SERVE];
  const child = spawn(process.execPath, [...argv, content, `${latencyMs}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.once("data", (data) => resolve(`${data}`.trim()));
      child.once("exit", () => reject(new Error("the server ended")));
    });
    return await use(url);
  } finally {
    child.kill("SIGKILL");
  }
}

/** Reads all of a link; gives its size. */
async function readAll(url: string): Promise<number> {
  const reader = await openHttp(url);
  const access = withHttpAccess(reader);
  const buffer = new Uint8Array(1 << 20);
  for (let offset = 0; offset < access.size;) {
    offset += await access.read(offset, buffer);
  }
  await reader.close();
  return reader.size;
}

async function streamAll(url: string): Promise<number> {
  const { body } = await openHttpStream(url);
  let size = 0;
  for await (const chunk of body) size += chunk.length;
  return size;
}

function sequentialCase(
  name: string,
  latencyMs: number,
  read: (url: string) => Promise<number>,
): BenchCase {
  return {
    name,
    unit: "MB/s",
    better: "more",
    peer: "curl -o /dev/null",
    packages: ["curl"],
    async prepare(context) {
      const kind = context.quick ? "odd.erofs-zstd" : "debian-arm64.erofs-zstd";
      const image = await context.fixture(kind);
      const rate = (size: number, start: number) =>
        size / 1e3 / (performance.now() - start);
      return {
        ours: () =>
          withServer(image, latencyMs, async (url) => {
            const start = performance.now();
            return rate(await read(url), start);
          }),
        theirs: () =>
          withServer(image, latencyMs, (url) => {
            const start = performance.now();
            const { status, stdout } = spawnSync("curl", [
              "-sSf",
              "-o",
              "/dev/null",
              "-w",
              "%{size_download}",
              url,
            ]);
            if (status !== 0) throw new Error("curl failed");
            return Promise.resolve(rate(Number(`${stdout}`), start));
          }),
      };
    },
  };
}

interface Cost {
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
  /** Bytes that kernel, modules and device tree take in the image. */
  readonly needed: number;
}

async function buildOver(image: string, latencyMs: number): Promise<Cost> {
  const { pool } = await loadProfiles({});
  const { profile } = pool.get(PHONE);
  return await withServer(image, latencyMs, async (url) => {
    const start = performance.now();
    const reader = await openHttp(url);
    const files = await openErofs(withHttpAccess(reader));
    const plan = await planBoot(files, profile);
    const ms = performance.now() - start;
    const { requests, bytesReceived } = reader.statistics;
    await reader.close();
    const { kernel, deviceTree, modules } = plan;
    const paths = [
      kernel.path,
      deviceTree!.from,
      ...modules.load.map(({ path }) => path),
    ];
    const sizes = paths.map((path) => storedSize(image, path));
    const needed = sizes.reduce((a, b) => a + b);
    return { ms, requests, bytes: bytesReceived, needed };
  });
}

function bootCase(
  name: string,
  unit: string,
  bar: number,
  measure: (image: string) => Promise<number>,
): BenchCase {
  return {
    name,
    unit,
    better: "less",
    bar,
    async prepare(context) {
      const image = await context.fixture("debian-arm64.erofs-lz4hc");
      await context.fixture("erofs-utils-1.8.6");
      return { ours: () => measure(image) };
    },
  };
}

/** The cases of this file. */
export const cases: readonly BenchCase[] = [
  sequentialCase("http-read", 0, readAll),
  sequentialCase("http-read-50ms", 50, readAll),
  sequentialCase("http-stream", 0, streamAll),
  bootCase("http-boot-bytes", "× needed", 1.15, async (image) => {
    const { bytes, needed } = await buildOver(image, 0);
    return (bytes - (1 << 20)) / needed;
  }),
  bootCase(
    "http-boot-requests",
    "requests",
    60,
    async (image) => (await buildOver(image, 0)).requests,
  ),
  bootCase("http-boot-50ms-more", "s", 3, async (image) => {
    const near = await buildOver(image, 0);
    const far = await buildOver(image, 50);
    return (far.ms - near.ms) / 1000;
  }),
];

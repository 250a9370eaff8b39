import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { loadProfiles } from "../../src/adapters/node/profiles.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { planBoot } from "../../src/boot/plan.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { withHttpAccess } from "../../src/http/access.ts";
import { openHttp } from "../../src/http/open.ts";
import { openHttpStream } from "../../src/http/stream.ts";
import { storedSize } from "../support/boot_files.ts";
import {
  type ServerSettings,
  startHttpServer,
} from "../support/http_server.ts";
import type { TestServer } from "../support/http_server.ts";
import { QUICK } from "../support/http_world.ts";

const PHONE = "oneplus-fajita";
const IMAGES = ["zstd", "lz4hc", "plain"]
  .map((kind) => `debian-arm64.erofs-${kind}`);

async function withImageServer(
  content: string,
  settings: Partial<ServerSettings>,
  use: (server: TestServer) => Promise<void>,
): Promise<void> {
  const server = await startHttpServer({ content, ...settings });
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

async function phone() {
  const { pool } = await loadProfiles({});
  return pool.get(PHONE).profile;
}

const sha256 = (bytes: Uint8Array) =>
  createHash("sha256").update(bytes).digest("hex");

for (const name of IMAGES) {
  const image = findFixture(name);
  const skip = image === undefined ? `fixture ${name} is missing` : undefined;

  test(`a boot image of ${name} over HTTP costs little and is the same`, {
    skip,
  }, async () => {
    const profile = await phone();
    const file = await openFile(image!);
    const wanted = await planBoot(await openErofs(file), profile);
    await file.close();
    const paths = [
      wanted.kernel.path,
      wanted.deviceTree!.from,
      ...wanted.modules.load.map(({ path }) => path),
    ];
    const needed = paths.reduce(
      (sum, path) => sum + storedSize(image!, path),
      0,
    );
    await withImageServer(image!, { latencyMs: 5 }, async (server) => {
      const reader = await openHttp(server.url(), QUICK);
      const files = await openErofs(withHttpAccess(reader));
      const plan = await planBoot(files, profile);
      assert.equal(sha256(plan.bytes), sha256(wanted.bytes));
      const { requests, bytesReceived, retries } = reader.statistics;
      const most = 1.15 * needed + (1 << 20);
      assert.ok(bytesReceived <= most, `${bytesReceived} bytes of ${most}`);
      assert.ok(requests <= 60, `${requests} requests`);
      assert.equal(retries, 0);
      assert.ok(server.most <= 6);
    });
  });
}

const zstd = findFixture(IMAGES[0]!);
const noZstd = zstd === undefined
  ? `fixture ${IMAGES[0]} is missing`
  : undefined;

test("a boot image from a server that breaks is the same", {
  skip: noZstd,
}, async () => {
  const profile = await phone();
  const file = await openFile(zstd!);
  const wanted = await planBoot(await openErofs(file), profile);
  await file.close();
  const faults = ["reset in the body", "503", "short body", "garbage"] as const;
  const settings: Partial<ServerSettings> = {
    behave: ({ index }) => index % 3 === 0 ? faults[index / 3 % 4] : undefined,
  };
  await withImageServer(zstd!, settings, async (server) => {
    const reader = await openHttp(server.url(), { ...QUICK, retries: 30 });
    const files = await openErofs(withHttpAccess(reader));
    const plan = await planBoot(files, profile);
    assert.equal(sha256(plan.bytes), sha256(wanted.bytes));
    assert.ok(reader.statistics.retries > 10);
  });
});

test("an image over HTTP has the SHA-256 that sha256sum finds", {
  skip: noZstd,
}, async () => {
  const wanted = await sha256sum(zstd!);
  await withImageServer(zstd!, {}, async (server) => {
    const far = await openHttp(server.url(), QUICK);
    const reader = withHttpAccess(far);
    const hash = createHash("sha256");
    const buffer = new Uint8Array(777_777);
    for (let offset = 0; offset < reader.size;) {
      const count = await reader.read(offset, buffer);
      hash.update(buffer.subarray(0, count));
      offset += count;
    }
    assert.equal(hash.digest("hex"), wanted);
    // the last read is a small one, and comes in whole pages
    assert.ok(far.statistics.bytesReceived <= reader.size + 65536);

    const stream = await openHttpStream(server.url(), QUICK);
    const other = createHash("sha256");
    for await (const chunk of stream.body) other.update(chunk);
    assert.equal(other.digest("hex"), wanted);
  });
});

async function sha256sum(path: string): Promise<string> {
  const child = spawn("sha256sum", [path]);
  let text = "";
  child.stdout.on("data", (data) => text += data);
  await new Promise((resolve) => child.on("close", resolve));
  return text.slice(0, 64);
}

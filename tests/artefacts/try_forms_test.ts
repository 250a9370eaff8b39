/**
 * Debian in the forms that users get it in, from the command line to the login prompt.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { startHttpServer } from "../support/http_server.ts";
import { phoneImage } from "../support/missing_phone.ts";
import { runCli } from "../support/run_cli.ts";

/** Runs `fastboop try` with a cache of its own; gives its events. */
async function tryImage(image: string): Promise<{ type: string }[]> {
  const cache = mkdtempSync(join(tmpdir(), "fastboop-try-"));
  try {
    const { code, text, errors } = await runCli(
      ["try", image, "--json"],
      { FASTBOOP_CACHE: cache },
    );
    assert.equal(code, 0, errors);
    return text.trimEnd().split("\n").map((line) => JSON.parse(line));
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
}

const disk = phoneImage("debian-arm64.gpt.xz");

test(
  "fastboop try boots ext4 on a disk in xz behind a link until it asks for a login",
  disk.options,
  async () => {
    const server = await startHttpServer({ content: disk.path });
    try {
      const events = await tryImage(server.url("/disk.img.xz"));
      const read = events.findLast(({ type }) => type === "reading");
      const { bytes, requests } = read as unknown as Record<string, number>;
      assert.ok(bytes! > 0 && requests! > 0 && requests! < 200, `${requests}`);
      assert.ok(events.some(({ type }) => type === "handed-over"));
    } finally {
      await server.close();
    }
  },
);

for (
  const [fixture, what] of [
    ["debian-arm64.iso-debian", "the squashfs of a live ISO"],
    ["debian-arm64.ostree-erofs", "the deployment of an OSTree sysroot"],
  ] as const
) {
  const image = phoneImage(fixture);
  test(
    `fastboop try boots ${what} until it asks for a login`,
    image.options,
    async () => {
      const events = await tryImage(image.path);
      assert.ok(events.some(({ type }) => type === "handed-over"));
    },
  );
}

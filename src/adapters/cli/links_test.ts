import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { pathToFileURL } from "node:url";
import { makeCasync } from "../../../tests/support/casync_made.ts";
import { smallImage } from "../../../tests/support/erofs_images.ts";
import {
  type ServerSettings,
  startHttpServer,
  type TestServer,
} from "../../../tests/support/http_server.ts";
import { madeXz } from "../../../tests/support/made_xz.ts";
import { runCli } from "../../../tests/support/run_cli.ts";

const folder = mkdtempSync(join(tmpdir(), "fastboop-links-"));
after(() => rmSync(folder, { recursive: true, force: true }));
/** More than the first request brings. */
const IMAGE = join(folder, "image.erofs");
writeFileSync(
  IMAGE,
  Buffer.concat([smallImage("plain").bytes, new Uint8Array(300_000)]),
);
const SHA256 = createHash("sha256").update(readFileSync(IMAGE)).digest("hex");

/** A server with the image, and the program with a cache of its own. */
async function withServer(
  settings: Partial<ServerSettings>,
  use: (
    server: TestServer,
    run: (...args: string[]) => ReturnType<typeof runCli>,
  ) => Promise<void>,
): Promise<void> {
  const server = await startHttpServer({ content: IMAGE, ...settings });
  const cache = mkdtempSync(join(folder, "cache-"));
  try {
    await use(server, (...args) => runCli(args, { FASTBOOP_CACHE: cache }));
  } finally {
    await server.close();
  }
}

/** A server with chunks of the image, and their index as a file. */
async function withChunks(
  use: (
    store: {
      readonly index: string;
      readonly url: string;
      /** Headers of each request so far. */
      readonly requests: Readonly<Record<string, unknown>>[];
    },
  ) => Promise<void>,
): Promise<void> {
  const { index, files } = await makeCasync(readFileSync(IMAGE));
  const path = join(folder, "image.caibx");
  writeFileSync(path, index);
  const requests: Readonly<Record<string, unknown>>[] = [];
  const server = createServer((request, response) => {
    requests.push(request.headers);
    const bytes = files.get(request.url!.replace("/chunks/", ""));
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const { port } = server.address() as AddressInfo;
  try {
    await use({
      index: path,
      url: `http://127.0.0.1:${port}/chunks`,
      requests,
    });
  } finally {
    server.closeAllConnections?.();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("fastboop sends headers of the user to the origin of the first link alone", async () => {
  const document = join(folder, "headers.yaml");
  const keys = (requests: readonly { readonly [name: string]: unknown }[]) => [
    ...new Set(requests.map((headers) => headers["x-key"])),
  ];
  await withServer({}, async (other, run) => {
    const text = new TextEncoder().encode(`http: ${other.url()}\n`);
    const first = await startHttpServer({ content: text });
    try {
      const link = first.url("/image.yaml");
      const { errors } = await run("ls", link, "--header", "X-Key: 1");
      assert.equal(errors, "");
      assert.deepEqual(keys(first.requests.map(({ headers }) => headers)), [
        "1",
      ]);
      assert.deepEqual(keys(other.requests.map(({ headers }) => headers)), [
        undefined,
      ]);
    } finally {
      await first.close();
    }
  });
  await withChunks(async (chunks) => {
    const content = readFileSync(chunks.index);
    await withServer({ content }, async (server, run) => {
      writeFileSync(
        document,
        `casync:\n  index: ${
          server.url("/a.caibx")
        }\n  chunk_store: ${chunks.url}\n`,
      );
      const { errors } = await run("ls", document, "--header", "X-Key: 1");
      assert.equal(errors, "");
      assert.deepEqual(keys(server.requests.map(({ headers }) => headers)), [
        "1",
      ]);
      assert.deepEqual(keys(chunks.requests), [undefined]);
    });
  });
});

test("fastboop --offline takes chunks that are kept, and asks for no others", async () => {
  await withChunks(async ({ index, url, requests }) => {
    const document = join(folder, "chunks.yaml");
    writeFileSync(
      document,
      `casync: { index: ${index}, chunk_store: "${url}" }`,
    );
    await withServer({}, async (_, run) => {
      const missing = await run("ls", document, "--offline");
      assert.equal(missing.code, 1);
      assert.match(missing.errors, /not to be asked; leave --offline out once/);
      assert.equal(requests.length, 0);
      const online = await run("ls", document);
      assert.equal(online.errors, "");
      requests.length = 0;
      const kept = await run("ls", document, "--offline");
      assert.equal(kept.errors, "");
      assert.equal(kept.text, online.text);
      assert.equal(requests.length, 0);
    });
  });
});

test("fastboop checks digests that a pipeline states, and says when it cannot", async () => {
  const document = join(folder, "digest.yaml");
  const size = readFileSync(IMAGE).length;
  const state = (source: object, hex: string, size_bytes = size) =>
    writeFileSync(
      document,
      JSON.stringify({
        ...source,
        content: { digest: `sha256:${hex}`, size_bytes },
      }),
    );
  const wrong = "0".repeat(64);
  state({ file: IMAGE }, wrong);
  const file = await runCli(["ls", document]);
  assert.equal(file.code, 1);
  assert.match(file.errors, new RegExp(`is ${SHA256}, expected 0000`));
  assert.equal(file.text, "");
  const packed = join(folder, "digest.img.xz");
  writeFileSync(packed, await madeXz(readFileSync(IMAGE), 1 << 16));
  state({ xz: { file: packed } }, wrong);
  assert.match((await runCli(["ls", document])).errors, /expected 0000/);
  state({ xz: { file: packed } }, SHA256);
  assert.equal((await runCli(["ls", document])).errors, "");
  await withServer({}, async (server, run) => {
    state({ http: server.url() }, wrong);
    const part = await run("ls", document);
    assert.equal(part.code, 0);
    assert.match(part.errors, /digest of ".*" was not verified.*--spool/);
    const whole = await run("ls", document, "--spool");
    assert.equal(whole.code, 1);
    assert.match(whole.errors, /expected 0000/);
    // what was kept of another size is no more right than what the server has
    state({ http: server.url() }, SHA256, size + 1);
    const longer = await run("ls", document, "--offline");
    assert.equal(longer.code, 1);
    assert.match(longer.errors, /as the pipeline says/);
  });
});

test("fastboop reads a link, the second time by one request, then without the server", async () => {
  const local = await runCli(["ls", "-lR", IMAGE]);
  await withServer({}, async (server, run) => {
    const link = server.url("/a.img").replace("//", "//me:word@");
    const first = await run("ls", "-lR", link, "--header", "X-Key: 1");
    assert.equal(first.errors, "");
    assert.equal(first.text, local.text);
    const [request] = server.requests;
    assert.equal(request?.headers["x-key"], "1");
    assert.equal(request?.headers["authorization"], `Basic ${btoa("me:word")}`);

    server.requests.length = 0;
    assert.equal((await run("ls", "-lR", link)).text, local.text);
    assert.equal(server.requests.length, 1);
    await server.close();
    const offline = await run("ls", "-lR", link, "--offline");
    assert.equal(offline.errors, "");
    assert.equal(offline.text, local.text);
    const list = await run("cache", "list");
    assert.match(list.text, /127\.0\.0\.1:\d+\/a\.img\n/);
    assert.doesNotMatch(list.text, /word/);
    const other = await run("ls", server.url("/b.img"), "--offline");
    assert.equal(other.code, 1);
    assert.match(other.errors, /nothing of it is kept/);
    assert.equal((await run("cache", "clear")).code, 0);
    const gone = await run("ls", link, "--offline");
    assert.match(gone.errors, /nothing of it is kept/);
    assert.doesNotMatch(gone.errors, /word/);
  });
});

test("fastboop keeps nothing with --no-cache", async () => {
  await withServer({}, async (server, run) => {
    for (let i = 0; i < 2; i++) {
      assert.equal((await run("ls", server.url(), "--no-cache")).errors, "");
    }
    assert.ok(server.requests.length > 2 - 1);
    assert.equal((await run("cache", "list")).text, "");
  });
});

test("fastboop says what to do about a server without ranges, and does it with --spool", async () => {
  const behave = () => "200 for a range" as const;
  await withServer({ behave }, async (server, run) => {
    const refused = await run("ls", server.url());
    assert.equal(refused.code, 1);
    assert.match(refused.errors, /server answered 200.*--spool/);
    const spooled = await run("ls", server.url(), "--spool");
    assert.equal(spooled.errors, "");
    assert.match(spooled.text, /\S/);
    // a second time it is there already, but for one look at its version
    server.requests.length = 0;
    assert.equal((await run("ls", server.url(), "--spool")).errors, "");
    assert.equal(server.requests.length, 1);
  });
});

test("fastboop checks digests of files and of links that are fetched whole, and says when it cannot", async () => {
  const wrong = `sha256:${"0".repeat(64)}`;
  const right = `sha256:${SHA256}`;
  assert.equal((await runCli(["ls", IMAGE, "--digest", right])).errors, "");
  const file = await runCli(["ls", IMAGE, "--digest", wrong]);
  assert.equal(file.code, 1);
  assert.match(file.errors, new RegExp(`is ${SHA256}, expected 0000`));
  assert.equal(file.text, "");
  await withServer({}, async (server, run) => {
    const whole = await run("ls", server.url(), "--spool", "--digest", right);
    assert.equal(whole.errors, "");
    const bad = await run("ls", server.url(), "--spool", "--digest", wrong);
    assert.equal(bad.code, 1);
    assert.match(bad.errors, /expected 0000/);
    const part = await run("cat", server.url(), "/none", "--digest", right);
    assert.match(part.errors, /was not verified/);
  });
});

test("fastboop takes a pipeline for an image, and lets one from a link read no file", async () => {
  const document = join(folder, "image.yaml");
  const size = readFileSync(IMAGE).length;
  const content = (digest: string, size_bytes: number) =>
    JSON.stringify({ file: IMAGE, content: { digest, size_bytes } });
  writeFileSync(document, content(`sha256:${SHA256}`, size));
  const local = await runCli(["ls", IMAGE]);
  const good = await runCli(["ls", document]);
  assert.equal(good.errors, "");
  assert.equal(good.text, local.text);
  writeFileSync(document, content(`sha256:${SHA256}`, size + 1));
  const other = await runCli(["ls", document]);
  assert.equal(other.code, 1);
  assert.match(other.errors, /as the pipeline says/);
  writeFileSync(document, "fil: a");
  const typo = await runCli(["ls", document]);
  assert.match(typo.errors, /found fil, expected .* did you mean "file"/);
  writeFileSync(document, "file: a\nentry: b");
  const key = await runCli(["ls", document]);
  assert.match(key.errors, /line 2, column 1, entry: unknown key "entry"/);
  for (
    const text of [
      `file: ${IMAGE}`,
      `file: ${pathToFileURL(IMAGE)}`,
      `casync: ${pathToFileURL(IMAGE)}`,
    ]
  ) {
    const content = new TextEncoder().encode(text);
    await withServer({ content }, async (server, run) => {
      const foreign = await run("ls", server.url("/p.yaml"));
      assert.equal(foreign.code, 1);
      assert.match(foreign.errors, /may name links alone/);
    });
  }
});

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { PageResult } from "../support/http_page.ts";
import { startHttpServer } from "../support/http_server.ts";
import { FILE } from "../support/http_world.ts";

const PAGE = fileURLToPath(new URL("../support/http_page.ts", import.meta.url));
const skip = spawnSync("chromium", ["--version"]).status === 0
  ? undefined
  : "chromium is missing";

/** Opens the page in Chromium and gives what it tells. */
async function runPage(links: readonly string[]): Promise<PageResult[]> {
  const { outputFiles } = await build({
    entryPoints: [PAGE],
    bundle: true,
    format: "esm",
    write: false,
  });
  const script = outputFiles[0]!.text;
  let tell: (results: PageResult[]) => void;
  const told = new Promise<PageResult[]>((resolve) => tell = resolve);
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      let text = "";
      for await (const chunk of request) text += chunk;
      tell(JSON.parse(text));
      return void response.end();
    }
    const isScript = request.url === "/page.js";
    response.setHeader(
      "content-type",
      isScript ? "text/javascript" : "text/html",
    );
    response.end(
      isScript ? script : '<script type="module" src="/page.js"></script>',
    );
  });
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const query = new URLSearchParams(links.map((link) => ["link", link]));
  const folder = mkdtempSync(join(tmpdir(), "fastboop-chromium-"));
  const chromium = spawn("chromium", [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    `--user-data-dir=${folder}`,
    "--remote-debugging-port=0",
    `http://127.0.0.1:${address.port}/?${query}`,
  ], { stdio: "ignore", detached: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error("the page says nothing")),
        60e3,
      );
    });
    return await Promise.race([told, late]);
  } finally {
    clearTimeout(timer);
    const ended = new Promise((resolve) => chromium.once("exit", resolve));
    // all of its processes, which are a group of their own
    process.kill(-chromium.pid!, "SIGKILL");
    await ended;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

test(
  "openHttp() reads from other origins in Chromium, or says what they have to send",
  {
    skip,
  },
  async () => {
    const allow = { "access-control-allow-origin": "*" };
    const expose = "Content-Range, ETag";
    const servers = await Promise.all([
      { ...allow, "access-control-expose-headers": expose },
      allow,
      {} as Record<string, string>,
    ].map((headers) => startHttpServer({ content: FILE, headers })));
    const [good, hidden, closed] = servers as [
      typeof servers[0],
      typeof servers[0],
      typeof servers[0],
    ];
    const moved = await startHttpServer({
      content: FILE,
      headers: { ...allow, "access-control-expose-headers": expose },
      elsewhere: good.url("/real?sig=1"),
      behave: () => "redirect elsewhere",
    });
    try {
      const links = [...servers, moved].map((server) => server.url("/image"));
      const [fine, noRange, noAnswer, redirected] = await runPage(links);
      const wanted = createHash("sha256").update(FILE).digest("hex");
      assert.equal(fine!.size, FILE.length, fine!.message);
      assert.equal(fine!.ranges, wanted);
      assert.equal(fine!.stream, wanted);
      assert.ok(fine!.identity!.includes('etag:"v1"'));
      assert.ok(good.requests.every(({ method }) => method === "GET"));
      assert.equal(noRange!.code, "http.cors");
      assert.match(noRange!.message!, /shows no Content-Range, expected one; /);
      assert.ok(hidden.requests.length <= 2);
      assert.equal(noAnswer!.code, "http.cors");
      assert.match(noAnswer!.message!, /no answer to a page of http:\/\/127/);
      assert.ok(closed.requests.length > 0);
      assert.equal(redirected!.ranges, wanted, redirected!.message);
      assert.equal(redirected!.url, good.url("/real?…"));
    } finally {
      for (const server of [...servers, moved]) await server.close();
    }
  },
);

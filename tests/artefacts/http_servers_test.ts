import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { openHttp } from "../../src/http/open.ts";
import { openHttpStream } from "../../src/http/stream.ts";
import { patternBytes } from "../conformance/controlled_source.ts";
import {
  APACHE_USER,
  missingApache,
  missingPython,
  type ServerProgram,
  startApache,
  startPython,
} from "../support/http_server_programs.ts";
import {
  assertReads,
  failsWith,
  FILE,
  QUICK,
  same,
  withServer,
} from "../support/http_world.ts";

const YESTERDAY = new Date(Date.now() - 86_400_000);

/** Runs `use` with a server of a folder that holds the file, an empty one and one of 5 bytes. */
async function withProgram(
  start: (folder: string, work: string) => Promise<ServerProgram>,
  use: (origin: string, folder: string) => Promise<void>,
): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "fastboop-http-"));
  const folder = join(work, "files");
  mkdirSync(folder);
  const put = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder, name), bytes);
    utimesSync(join(folder, name), YESTERDAY, YESTERDAY);
  };
  put("image", FILE);
  put("empty", new Uint8Array(0));
  put("small", FILE.subarray(0, 5));
  try {
    const server = await start(folder, work);
    try {
      await use(server.origin, folder);
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(work, { recursive: true });
  }
}

test("openHttp() reads from Apache", { skip: missingApache() }, async () => {
  await withProgram(startApache, async (origin, folder) => {
    const reader = await openHttp(`${origin}/files/image`, QUICK);
    assert.equal(reader.validator, "etag");
    await assertReads(reader, 0, FILE.length);
    await assertReads(reader, 123_457, 100_001);
    assert.equal(reader.statistics.requests, 3);

    for (const [name, size] of [["empty", 0], ["small", 5]] as const) {
      const other = await openHttp(`${origin}/files/${name}`, QUICK);
      await assertReads(other, 0, 10, FILE.subarray(0, size));
    }

    const moved = await openHttp(`${origin}/moved/image`, QUICK);
    assert.equal(new URL(moved.url).pathname, "/files/image");
    await assertReads(moved, 100_000, 1000);
    assert.equal(moved.statistics.requests, 3);

    const stream = await openHttpStream(`${origin}/files/image`, QUICK);
    assert.equal(stream.identity, reader.identity);
    const whole = await new Response(stream.body).arrayBuffer();
    assert.ok(same(new Uint8Array(whole), FILE));

    // replaced in place, by one of the same size
    const other = patternBytes(FILE.length, 99);
    writeFileSync(join(folder, "image"), other);
    const read = reader.read(200_000, new Uint8Array(10));
    await failsWith("http.changed", read);
    const fresh = await openHttp(`${origin}/files/image`, QUICK);
    assert.notEqual(fresh.identity, reader.identity);
    await assertReads(fresh, 100_000, 1000, other);
  });
});

test("openHttp() gives Apache the password of a link", {
  skip: missingApache(),
}, async () => {
  await withProgram(startApache, async (origin) => {
    const url = `${origin}/private/image`;
    const message = await failsWith("http.status", openHttp(url, QUICK));
    assert.match(message, /answered 401 Unauthorized, .*; give a name and/);
    const name = encodeURIComponent(APACHE_USER.name);
    const password = encodeURIComponent(APACHE_USER.password);
    const link = url.replace("//", `//${name}:${password}@`);
    const reader = await openHttp(link, QUICK);
    await assertReads(reader, 100_000, 1000);
    assert.ok(!`${reader.name}${reader.identity}`.includes(password));
  });
});

test("openHttp() is not fooled by an Apache that compresses", {
  skip: missingApache(),
}, async () => {
  await withProgram(startApache, async (origin) => {
    const reader = await openHttp(`${origin}/packed/image`, QUICK);
    await assertReads(reader, 0, FILE.length);
    const forced = openHttp(`${origin}/packed/image`, {
      ...QUICK,
      // as a proxy that asks for what it likes
      fetch: (url, init) => {
        const headers = new Headers(init?.headers);
        headers.set("accept-encoding", "gzip");
        headers.delete("range");
        return fetch(url, { ...init, headers });
      },
    });
    await failsWith("http.encoded", forced);
  });
});

test("openHttp() refuses Python's server, openHttpStream() does not", {
  skip: missingPython(),
}, async () => {
  await withProgram(startPython, async (origin, folder) => {
    symlinkSync("image", join(folder, "link"));
    for (const name of ["image", "link"]) {
      const url = `${origin}/${name}`;
      await failsWith("http.no-ranges", openHttp(url, QUICK));
      const stream = await openHttpStream(url, QUICK);
      assert.equal(stream.size, FILE.length);
      assert.equal(stream.validator, "last-modified");
      const whole = await new Response(stream.body).arrayBuffer();
      assert.ok(same(new Uint8Array(whole), FILE));
    }
    const empty = await openHttp(`${origin}/empty`, QUICK);
    assert.equal(empty.size, 0);
  });
});

const curl = spawnSync("curl", ["--version"]).status === 0
  ? undefined
  : "curl is missing";

test("the server of these tests has ranges as curl knows them", {
  skip: curl,
}, async () => {
  await withServer({}, async (server) => {
    for (const range of ["0-0", "5-9", "100000-", "299999-400000"]) {
      const [start, last] = range.split("-");
      const end = last === "" ? FILE.length : Number(last) + 1;
      const wanted = FILE.subarray(Number(start), end);
      const found = await runCurl(["-sSf", "-r", range, server.url()]);
      assert.ok(same(found, wanted), range);
    }
    const status = ["-s", "-o", "/dev/null", "-w", "%{http_code}"];
    const past = ["-r", "400000-400001", server.url()];
    const code = await runCurl([...status, ...past]);
    assert.equal(new TextDecoder().decode(code), "416");
  });
});

/** Not `spawnSync`: the server is in this process. */
async function runCurl(args: readonly string[]): Promise<Uint8Array> {
  const child = spawn("curl", args, { stdio: ["ignore", "pipe", "inherit"] });
  const chunks: Uint8Array[] = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  await new Promise((resolve) => child.on("close", resolve));
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

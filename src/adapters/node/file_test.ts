import test from "node:test";
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ErrorCode, isCoded } from "../../errors.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { openFile } from "./file.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await fs.mkdtemp(join(tmpdir(), "file-"));
  try {
    await run(folder);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

async function rejects(work: Promise<unknown>, code: ErrorCode) {
  await assert.rejects(work, (error) => {
    assert.ok(isCoded(error, code), String(error));
    return true;
  });
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("openFile() says by code why it cannot open", async () => {
  await inFolder(async (folder) => {
    const file = join(folder, "file");
    await fs.writeFile(file, "x");
    await rejects(openFile(join(folder, "none")), "file.not-found");
    await rejects(openFile(join(file, "below")), "file.not-found");
    await rejects(openFile(folder), "file.is-directory");
    await rejects(openFile("/dev/null"), "file.not-regular");
  });
});

test("openFile() says when permission is missing", {
  skip: process.getuid?.() === 0 ? "root may read everything" : false,
}, async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "secret");
    await fs.writeFile(path, "x", { mode: 0 });
    await rejects(openFile(path), "file.permission-denied");
  });
});

test("openFile() names the content, not only the place", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "image");
    const identities = new Set<string>();
    for (const text of ["one", "two", "three"]) {
      await fs.writeFile(path, text);
      const file = await openFile(path);
      identities.add(file.identity);
      await file.close();
      await wait(15);
    }
    assert.equal(identities.size, 3);
    const [a, b] = [await openFile(path), await openFile(path)];
    assert.equal(a.identity, b.identity);
    await a.close();
    await b.close();
  });
});

for (const size of [5000, 3 << 20]) {
  test(`openFile() refuses a file of ${size} bytes that was cut`, async () => {
    await inFolder(async (folder) => {
      const path = join(folder, "image");
      await fs.writeFile(path, new Uint8Array(size).fill(1));
      const file = await openFile(path);
      await readExactly(file, 0, size);
      await fs.truncate(path, 1000);
      await rejects(file.read(0, new Uint8Array(size)), "read.changed");
      await wait(10);
      await rejects(file.read(0, new Uint8Array(10)), "read.changed");
      await file.close();
    });
  });
}

test("openFile() refuses a file that was changed in place", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "image");
    await fs.writeFile(path, "before");
    await wait(20);
    const file = await openFile(path);
    await readExactly(file, 0, 6);
    await fs.writeFile(path, "behind");
    await wait(20);
    await rejects(file.read(0, new Uint8Array(6)), "read.changed");
    await file.close();
  });
});

test("openFile() goes on with the bytes it had when the file is replaced", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "image");
    await fs.writeFile(path, "before");
    const file = await openFile(path);
    await fs.writeFile(`${path}.new`, "behind");
    await fs.rename(`${path}.new`, path);
    await wait(10);
    const bytes = await readExactly(file, 0, 6);
    assert.equal(new TextDecoder().decode(bytes), "before");
    await file.close();
  });
});

test("openFile() refuses reads after close and lets those before end", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "image");
    await fs.writeFile(path, new Uint8Array(4 << 20).fill(7));
    const file = await openFile(path);
    const reads = Array.from(
      { length: 5 },
      () => readExactly(file, 0, 4 << 20),
    );
    const closed = file.close();
    await rejects(file.read(0, new Uint8Array(1)), "read.closed");
    for (const bytes of await Promise.all(reads)) {
      assert.ok(bytes.every((byte) => byte === 7));
    }
    await closed;
    await file.close();
    await rejects(file.read(0, new Uint8Array(1)), "read.closed");
  });
});

test("openFile() closes although a large read was left", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "image");
    await fs.writeFile(path, new Uint8Array(8 << 20));
    const file = await openFile(path);
    const controller = new AbortController();
    const { signal } = controller;
    const read = file.read(0, new Uint8Array(8 << 20), { signal });
    controller.abort(new Error("left"));
    await assert.rejects(read, /left/);
    await file.close();
  });
});

test("openFile() lets timers run between reads", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "image");
    await fs.writeFile(path, new Uint8Array(1 << 20));
    const file = await openFile(path);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const into = new Uint8Array(4096);
    const end = performance.now() + 10_000;
    while (ticks < 5 && performance.now() < end) await file.read(0, into);
    clearInterval(timer);
    assert.ok(ticks >= 5, `${ticks} ticks`);
    await file.close();
  });
});

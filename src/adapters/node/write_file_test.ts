import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  createReadStream,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { isCoded } from "../../errors.ts";
import { isSameFile, replaceFile } from "./write_file.ts";

const folder = mkdtempSync(join(tmpdir(), "fastboop-write-"));
after(() => rmSync(folder, { recursive: true }));
const BYTES = new TextEncoder().encode("new");

test("replaceFile() puts a file in the place of another, where links lead", async () => {
  const target = join(folder, "target"), link = join(folder, "link");
  writeFileSync(target, "something longer");
  symlinkSync("target", link);
  await replaceFile(link, BYTES);
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.equal(readFileSync(target, "utf8"), "new");
});

test("replaceFile() makes the file that a link leads to", async () => {
  const link = join(folder, "ahead"), further = join(folder, "further");
  symlinkSync("further", link);
  symlinkSync(join(folder, "made"), further);
  await replaceFile(link, BYTES);
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.ok(lstatSync(further).isSymbolicLink());
  assert.equal(readFileSync(join(folder, "made"), "utf8"), "new");
  // the folder of a link may be one itself
  mkdirSync(join(folder, "deep", "inner"), { recursive: true });
  symlinkSync("deep/inner", join(folder, "short"));
  symlinkSync("../beside", join(folder, "deep", "inner", "up"));
  await replaceFile(join(folder, "short", "up"), BYTES);
  assert.equal(readFileSync(join(folder, "deep", "beside"), "utf8"), "new");
  symlinkSync("nowhere/x", join(folder, "lost"));
  await assert.rejects(
    replaceFile(join(folder, "lost"), BYTES),
    /Cannot write 3 bytes to ".*lost": ENOENT; see that the folder is there/,
  );
  symlinkSync("round", join(folder, "round"));
  const error = await replaceFile(join(folder, "round"), BYTES)
    .catch((error) => error);
  assert.ok(isCoded(error, "file.write-failed"), `${error}`);
});

test("replaceFile() writes into a pipe and leaves it one", async () => {
  const pipe = join(folder, "pipe");
  const made = spawnSync("mkfifo", [pipe]);
  assert.equal(made.status, 0, `${made.error ?? made.stderr}`);
  const read = createReadStream(pipe);
  const [found] = await Promise.all([
    (async () => {
      let text = "";
      for await (const part of read) text += part;
      return text;
    })(),
    replaceFile(pipe, BYTES),
  ]);
  assert.equal(found, "new");
  assert.ok(lstatSync(pipe).isFIFO());
});

test("replaceFile() leaves nothing behind when it fails or is cancelled", async () => {
  const place = join(folder, "place");
  mkdirSync(join(place, "full"), { recursive: true });
  for (const path of [join(place, "none", "x"), join(place, "full")]) {
    const error = await replaceFile(path, BYTES).catch((error) => error);
    assert.ok(isCoded(error, "file.write-failed"), `${error}`);
  }
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  await assert.rejects(
    replaceFile(join(place, "x"), BYTES, { signal }),
    reason,
  );
  assert.deepEqual(readdirSync(place), ["full"]);
});

test("isSameFile() sees through links of both kinds", async () => {
  const a = join(folder, "a"), hard = join(folder, "hard");
  const soft = join(folder, "soft"), other = join(folder, "other");
  writeFileSync(a, "a");
  writeFileSync(other, "a");
  linkSync(a, hard);
  symlinkSync("a", soft);
  assert.ok(await isSameFile(a, hard));
  assert.ok(await isSameFile(soft, a));
  assert.ok(!await isSameFile(a, other));
  assert.ok(!await isSameFile(a, join(folder, "none")));
});

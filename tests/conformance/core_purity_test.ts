import test from "node:test";
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { findImpurities } from "./core_purity.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

async function coreFiles(folder = join(root, "src")): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (path === join(root, "src", "adapters")) continue;
    if (entry.isDirectory()) files.push(...await coreFiles(path));
    else if (/(?<!_test)\.tsx?$/.test(entry.name)) files.push(path);
  }
  return files;
}

test("core files name no runtime and import inward", async () => {
  const files = [...await coreFiles(), join(root, "mod.ts")];
  assert.ok(files.length > 15, `only ${files.length} files found`);
  const wrong: string[] = [];
  for (const file of files) {
    const path = relative(join(root, "src"), file).split(sep).join("/");
    for (const found of findImpurities(path, await readFile(file, "utf8"))) {
      wrong.push(`${path} ${found}`);
    }
  }
  assert.deepEqual(wrong, []);
});

const bad: [path: string, text: string][] = [
  ["block/x.ts", "const a = Deno.args;"],
  ["block/x.ts", "if (typeof Bun !== 'undefined') {}"],
  ["block/x.ts", "export const e = process.env;"],
  ["block/x.ts", "await navigator.usb.requestDevice();"],
  ["block/x.ts", "const d = globalThis.Deno;"],
  ["block/x.ts", "const d = globalThis?.process;"],
  ["block/x.ts", 'const d = globalThis["De" + "no"];'],
  ["block/x.ts", "const n = self.navigator;"],
  ["block/x.ts", "const t = `a ${Deno.pid} b`;"],
  ["block/x.ts", "const t = `a ${ { a: `${process.pid}` }.a } b`;"],
  ["block/x.ts", "const r = /['\"]/; Deno.exit();"],
  ["block/x.ts", "const h = a / b; Deno.exit(); const i = c / d;"],
  ["block/x.ts", "const s = ok ? process : 1;"],
  ["block/x.ts", 'import fs from "node:fs";'],
  ["block/x.ts", "import fs from 'node:fs';"],
  ["block/x.ts", 'import type { Stats } from "node:fs";'],
  ["block/x.ts", 'const fs = await import("node:fs");'],
  ["block/x.ts", 'export * from "bun:test";'],
  ["block/x.ts", 'import "jsr:@std/path";'],
  ["block/x.ts", 'import { a } from "../adapters/node/file.ts";'],
  ["format/gpt/x.ts", 'import { a } from "../../adapters/node/file.ts";'],
  ["format/gpt/x.ts", 'import { a } from "../../boot/plan.ts";'],
  ["block/x.ts", 'import { a } from "../format/gpt/gpt.ts";'],
  ["block/x.ts", 'export { a } from "../fs/filesystem.ts";'],
  ["bytes/x.ts", 'import {\n  a,\n  b,\n} from "../block/reader.ts";'],
  ["fastboot/x.ts", 'import { a } from "../usb/usb.ts";'],
  ["block/x.ts", 'import { a } from "../../cli.ts";'],
  ["block/x.ts", 'import { a } from "../../tests/conformance/x.ts";'],
  ["novel/x.ts", 'import { a } from "../block/reader.ts";'],
  ["../mod.ts", 'export * from "./src/adapters/node/file.ts";'],
];
for (const [path, text] of bad) {
  test(`the purity check refuses in ${path}: ${JSON.stringify(text)}`, () => {
    const found = findImpurities(path, text);
    assert.equal(found.length, 1, found.join("; "));
  });
}

test("the purity check lets pass what only looks impure", () => {
  const good: [path: string, text: string][] = [
    ["block/x.ts", "// Deno and Bun\n/* process.env */ const a = 1;"],
    ["block/x.ts", "const a = \"Deno\" + 'process' + `navigator`;"],
    ["block/x.ts", 'const a = "say \\"Deno\\" // not"; const b = 2;'],
    ["block/x.ts", "queue.process(); const o = { process: 1 };"],
    ["block/x.ts", "interface A { process?: number }"],
    ["block/x.ts", "const re = /Deno \\/ [/'] process/g;"],
    ["block/x.ts", "const preprocess = 1; const Denominator = 2;"],
    ["block/x.ts", 'const a = "node:fs"; import x from "fast-check";'],
    ["block/x.ts", 'import { a } from "../bytes/text.ts";'],
    ["format/gpt/x.ts", 'import { a } from "../../block/reader.ts";'],
    ["bytes/x.ts", 'import { a } from "../errors.ts";'],
  ];
  for (const [path, text] of good) {
    assert.deepEqual(findImpurities(path, text), [], text);
  }
});

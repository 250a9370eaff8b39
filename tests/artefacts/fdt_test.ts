import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { DTC_TOOL, dtcTool } from "../../scripts/fixtures/dtc_tool.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withRecord } from "../../src/block/record.ts";
import { findDeviceTree, readDeviceTree } from "../../src/boot/device_tree.ts";
import { isCoded } from "../../src/errors.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { checkDtb, describeDtb } from "../../src/format/fdt/describe.ts";
import { injectMac, makeMac } from "../../src/format/fdt/mac.ts";
import { applyOverlays } from "../../src/format/fdt/overlay.ts";
import { inspectImage } from "../../src/image/inspect.ts";

const ROOT = findFixture("debian-arm64.root");
const IMAGE = findFixture("debian-arm64.erofs-lz4hc");
const missing = ROOT === undefined
  ? "missing: run deno task fixtures debian-arm64.root"
  : dtcTool("dtc") === undefined
  ? `missing: run deno task fixtures ${DTC_TOOL}`
  : undefined;

/** A test against dtc's programs; what is missing is a visible skip. */
function oracleTest(
  title: string,
  run: (trees: string, scratch: string) => Promise<void>,
): void {
  test(title, missing === undefined ? {} : { skip: missing }, async () => {
    const folder = join(ROOT!, "usr/lib");
    const [name] = readdirSync(folder).filter((name) =>
      name.startsWith("linux-image-")
    );
    const scratch = mkdtempSync(join(tmpdir(), "fastboop-fdt-"));
    try {
      await run(join(folder, name!), scratch);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
}

type Program = Parameters<typeof dtcTool>[0];

function argv(program: Program, args: string[]): [string, string[]] {
  const [first, ...rest] = dtcTool(program)!;
  return [first!, [...rest, ...args]];
}

/** Runs a program of dtc; what it wrote to stdout. */
function runTool(program: Program, args: string[], input?: string): string {
  return execFileSync(...argv(program, args), {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    ...(input === undefined ? {} : { input }),
  });
}

const read = (path: string) => new Uint8Array(readFileSync(path));

/** Files below a folder of device trees, as `vendor/name.dtb`. */
function below(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending)).sort();
}

/** What fdtoverlay makes; `undefined` when it fails. */
function fdtoverlay(
  scratch: string,
  base: string,
  overlays: readonly string[],
): Uint8Array | undefined {
  const out = join(scratch, "want.dtb");
  rmSync(out, { force: true });
  const { status } = spawnSync(
    ...argv("fdtoverlay", ["-i", base, "-o", out, ...overlays]),
    { stdio: "ignore" },
  );
  return status === 0 ? read(out) : undefined;
}

function sorted(path: string): string {
  return runTool("dtc", ["-q", "-I", "dtb", "-O", "dts", "-s", path]);
}

/** Demands the bytes of fdtoverlay and the text of dtc. */
function assertSame(scratch: string, ours: Uint8Array, want: Uint8Array): void {
  const [a, b] = [join(scratch, "a.dtb"), join(scratch, "b.dtb")];
  writeFileSync(a, ours);
  writeFileSync(b, want);
  assert.equal(sorted(a), sorted(b));
  assert.ok(Buffer.from(ours).equals(want), "bytes differ");
}

async function apply(
  base: string,
  overlays: readonly string[],
): Promise<Uint8Array | undefined> {
  try {
    return await applyOverlays(
      read(base),
      overlays.map((name) => ({ name, bytes: read(name) })),
    );
  } catch (error) {
    assert.ok(isCoded(error), String(error));
    return undefined;
  }
}

oracleTest(
  "every tree of Debian's kernel is read as fdtget reads it",
  async (trees) => {
    const names = below(trees, ".dtb");
    assert.ok(names.length > 270, `${names.length} trees`);
    for (const name of names) {
      const bytes = read(join(trees, name));
      const { compatible, model } = await describeDtb(bytes);
      assert.equal((await checkDtb(bytes)).length, bytes.length);
      if (!name.startsWith("qcom/")) continue;
      const get = (property: string) =>
        runTool("fdtget", [join(trees, name), "/", property]).trim();
      assert.equal(compatible.join(" "), get("compatible"), name);
      assert.equal(model?.trim(), get("model"), name);
    }
  },
);

oracleTest(
  "Debian's own overlays come out as fdtoverlay makes them, or fail where it fails",
  async (trees, scratch) => {
    const bases = below(trees, ".dtb");
    let applied = 0;
    let refused = 0;
    for (const overlay of below(trees, ".dtbo")) {
      const vendor = overlay.slice(0, overlay.indexOf("/") + 1);
      const family = overlay.slice(0, vendor.length + 6);
      for (const base of bases.filter((base) => base.startsWith(family))) {
        const paths = [join(trees, base), [join(trees, overlay)]] as const;
        const want = fdtoverlay(scratch, ...paths);
        const ours = await apply(...paths);
        const both = `${overlay} on ${base}`;
        assert.equal(ours === undefined, want === undefined, both);
        if (want === undefined) refused++;
        else {
          assertSame(scratch, ours!, want);
          applied++;
        }
      }
    }
    console.log(`${applied} applied, ${refused} refused`);
    assert.ok(applied >= 40, `${applied} applied`);
    assert.ok(refused >= 40, `${refused} refused`);
  },
);

oracleTest(
  "an overlay on every tenth label of sdm845-db845c comes out as fdtoverlay makes it, and a second one on it",
  async (trees, scratch) => {
    const base = join(trees, "qcom/sdm845-db845c.dtb");
    const labels = runTool("fdtget", ["-p", base, "/__symbols__"]).trim().split(
      "\n",
    ).filter((_, at) => at % 10 === 0);
    assert.ok(labels.length > 50);
    const text = (label: string) =>
      `&${label} { fb-self = <&${label}>; fb_${label}: fb-new { peer = <&fb_${label} 1 &${
        labels[0]
      }>; }; };`;
    const first = compile(scratch, "first", labels.map(text).join("\n"));
    const second = compile(
      scratch,
      "second",
      `&fb_${labels[3]} { status = "okay"; };\n&{/chosen} { fb = <&fb_${
        labels[4]
      }>; };`,
    );
    const want = fdtoverlay(scratch, base, [first, second]);
    assert.ok(want);
    assertSame(scratch, (await apply(base, [first, second]))!, want);
  },
);

oracleTest(
  "trees of phones, which have no labels, take overlays with paths and refuse labels by name",
  async (trees, scratch) => {
    const byPath = compile(
      scratch,
      "path",
      '&{/} { fb-note = "x"; fb: fb-node { self = <&fb>; }; };\n' +
        '&{/chosen} { bootargs = "quiet"; };',
    );
    const byLabel = compile(scratch, "label", '&usb_1 { status = "okay"; };');
    const phones = below(trees, ".dtb").filter((name) =>
      /^qcom\/(sdm845|sdm670|sm[678]|msm8916)-/.test(name)
    );
    assert.ok(phones.length > 40, `${phones.length} phones`);
    for (const name of phones) {
      const base = join(trees, name);
      const want = fdtoverlay(scratch, base, [byPath]);
      assert.ok(want, name);
      const ours = await apply(base, [byPath]);
      assert.ok(Buffer.from(ours!).equals(want), `${name}: bytes differ`);
      if ((await describeDtb(read(base))).symbols) continue;
      await assert.rejects(
        applyOverlays(read(base), [{ name: "label", bytes: read(byLabel) }]),
        (error) => isCoded(error, "fdt.no-symbols"),
      );
    }
  },
);

oracleTest(
  "addresses that are injected are what fdtget reads, and nothing else changes",
  async (trees, scratch) => {
    const path = join(trees, "qcom/sdm845-oneplus-fajita.dtb");
    const tree = read(path);
    const out = join(scratch, "mac.dtb");
    const seed = "deadbeef";
    for (
      const [kind, compatible, property, value] of [
        [
          "wifi",
          "qcom,wcn3990-wifi",
          "local-mac-address",
          "9a 2 3b 90 2f 76",
        ],
        [
          "bluetooth",
          "qcom,wcn3990-bt",
          "local-bd-address",
          "9f 59 e3 bd 5 b2",
        ],
      ] as const
    ) {
      const ours = await injectMac(tree, { kind, compatible, seed });
      writeFileSync(out, ours);
      const node = nodeOf(path, compatible);
      const get = (...args: string[]) => runTool("fdtget", args).trim();
      assert.equal(get("-tbx", out, node, property), value);
      // fdtput is libfdt too, but not our copy of it
      const mac = makeMac({ kind, compatible, seed });
      const bytes = [...kind === "wifi" ? mac : mac.toReversed()];
      const want = join(scratch, "want.dtb");
      writeFileSync(want, tree);
      runTool("fdtput", [
        "-tbx",
        want,
        node,
        property,
        ...bytes.map((byte) => byte.toString(16)),
      ]);
      assert.equal(sorted(out), sorted(want));
    }
  },
);

test(
  "findDeviceTree() finds a phone's tree in a Debian image, in few reads",
  IMAGE === undefined
    ? { skip: "missing: run deno task fixtures debian-arm64.erofs-lz4hc" }
    : {},
  async () => {
    const file = await openFile(IMAGE!);
    try {
      const { kernels } = await inspectImage(await openErofs(file));
      const { release } = kernels[0]!;
      const recorded = withRecord(file);
      const files = await openErofs(recorded);
      const opened = recorded.report.bytes;
      const name = "qcom/sdm845-oneplus-fajita";
      const found = await findDeviceTree([files], name, release);
      const { files: where, ...place } = found;
      assert.equal(where, files);
      assert.deepEqual(place, {
        path: `/usr/lib/linux-image-${release}/${name}.dtb`,
        release,
      });
      const bytes = recorded.report.bytes - opened;
      console.log(`read ${bytes} bytes to find it`);
      assert.ok(bytes < 64 << 10, `read ${bytes} bytes`);
      const { model } = await describeDtb(await readDeviceTree(found));
      assert.equal(model, "OnePlus 6T");
      await assert.rejects(
        findDeviceTree([files], "qcom/sdm845-oneplus-fajta", release),
        /closest are qcom\/sdm845-oneplus-fajita/,
      );
    } finally {
      await file.close();
    }
  },
);

/** Compiles an overlay with labels; its path. */
function compile(scratch: string, name: string, text: string): string {
  const path = join(scratch, `${name}.dtbo`);
  runTool(
    "dtc",
    ["-q", "-@", "-I", "dts", "-O", "dtb", "-o", path],
    `/dts-v1/;\n/plugin/;\n${text}\n`,
  );
  return path;
}

/** Path of the first node with that compatible, by the text that dtc makes. */
function nodeOf(path: string, compatible: string): string {
  const text = runTool("dtc", ["-q", "-I", "dtb", "-O", "dts", path]);
  const names: string[] = [];
  for (const line of text.split("\n")) {
    const open = /^\t*(?:.*: )?(\S+) \{$/.exec(line);
    if (open) names.push(open[1]!);
    else if (/^\t*\};$/.test(line)) names.pop();
    else if (line.includes(`compatible = "${compatible}"`)) {
      return names.join("/").replace(/^\/\/?/, "/");
    }
  }
  throw new Error(`No node is compatible with ${compatible}`);
}

/** Writes a flattened tree, token by token. */
class Writer {
  readonly #words: number[] = [];
  readonly #names: string[] = [];
  readonly #offsets = new Map<string, number>();
  #stringsSize = 0;

  open(name: string): this {
    this.#words.push(1);
    return this.#bytes(new TextEncoder().encode(`${name}\0`));
  }

  property(name: string, value: Uint8Array): this {
    let offset = this.#offsets.get(name);
    if (offset === undefined) {
      this.#offsets.set(name, offset = this.#stringsSize);
      this.#names.push(name);
      this.#stringsSize += name.length + 1;
    }
    this.#words.push(3, value.length, offset);
    return this.#bytes(value);
  }

  text(name: string, value: string): this {
    return this.property(name, new TextEncoder().encode(`${value}\0`));
  }

  close(): this {
    this.#words.push(2);
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    this.#words.push(9);
    const strings = new TextEncoder().encode(this.#names.join("\0") + "\0");
    const end = 56 + this.#words.length * 4;
    const tree = new Uint8Array(end + strings.length);
    const view = new DataView(tree.buffer);
    [0xd00dfeed, tree.length, 56, end, 40, 17, 16, 0, strings.length, end - 56]
      .forEach((value, at) => view.setUint32(at * 4, value));
    this.#words.forEach((word, at) => view.setUint32(56 + at * 4, word));
    tree.set(strings, end);
    return tree;
  }

  #bytes(bytes: Uint8Array): this {
    for (let at = 0; at < bytes.length; at += 4) {
      let word = 0;
      for (let i = 0; i < 4; i++) word = word << 8 | (bytes[at + i] ?? 0);
      this.#words.push(word >>> 0);
    }
    return this;
  }
}

test("an overlay made to take minutes is refused in seconds", async () => {
  const base = new Writer().open("");
  for (let i = 0; i < 100_000; i++) base.open(`n${i}`).close();
  base.open("last").property("phandle", Uint8Array.of(0, 0, 0, 1)).close();
  base.open("__symbols__").text("l", "/last").close();
  const places = "/f:x:0\0".repeat(100_000);
  const overlay = new Writer().open("")
    .open("f").property("x", new Uint8Array(4)).text("target-path", "/")
    .open("__overlay__").close().close();
  overlay.open("__fixups__");
  overlay.text("l", places.slice(0, -1));
  for (let i = 0; i < 20_000; i++) overlay.text("l", "/f:x:0");
  const started = performance.now();
  await assert.rejects(
    applyOverlays(base.close().finish(), [{
      name: "made.dtbo",
      bytes: overlay.close().close().finish(),
    }]),
    (error) => isCoded(error, "fdt.too-much-work"),
  );
  assert.ok(performance.now() - started < 60_000);
});

test("an overlay made to move the whole base for each property is refused in seconds", async () => {
  const base = new Writer().open("").property("x", new Uint8Array(3 << 20))
    .close().finish();
  const overlay = new Writer().open("").open("f").text("target-path", "/")
    .open("__overlay__");
  for (let i = 0; i < 60_000; i++) overlay.property(`p${i}`, new Uint8Array(0));
  const started = performance.now();
  await assert.rejects(
    applyOverlays(base, [{
      name: "made.dtbo",
      bytes: overlay.close().close().close().finish(),
    }]),
    (error) => isCoded(error, "fdt.too-much-work", "fdt.too-large"),
  );
  assert.ok(performance.now() - started < 60_000);
});

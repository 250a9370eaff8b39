import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import {
  foldModuleName,
  moduleNameOf,
  openModuleIndex,
} from "../../src/boot/module_index.ts";
import {
  baseModules,
  resolveModules,
  type WantedModule,
} from "../../src/boot/modules.ts";
import { readModules } from "../../src/boot/read_modules.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { parseKmodIndex } from "../../src/format/kmod/index_file.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import type { FileSystem } from "../../src/fs/filesystem.ts";
import { MemorySource } from "../../src/fs/memory_source.ts";
import { withPaths } from "../../src/fs/open_paths.ts";

const IMAGE = findFixture("debian-arm64.erofs-lz4hc");
const ROOT = findFixture("debian-arm64.root");
const RELEASE = ROOT === undefined
  ? ""
  : readdirSync(join(ROOT, "usr/lib/modules"))[0]!;
const FOLDER = join(ROOT ?? "", "usr/lib/modules", RELEASE);

const skip = IMAGE === undefined || ROOT === undefined
  ? "missing: run deno task fixtures debian-arm64.erofs-lz4hc"
  : spawnSync("modprobe", ["--version"]).status !== 0
  ? "missing: install the package kmod"
  : false;

/** What modprobe loads for modules one after another, each once, and what it finds built in. */
function modprobe(
  names: readonly string[],
  root = ROOT!,
): { load: string[]; builtin: string[] } {
  const { stdout, stderr, status } = spawnSync("modprobe", [
    "--show-depends",
    "--all",
    "--config=/dev/null", // that of the machine says nothing of the image
    `--dirname=${root}`,
    `--set-version=${RELEASE}`,
    ...names,
  ], { encoding: "utf8", maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  const load = new Set<string>(), builtin = new Set<string>();
  for (const line of stdout.split("\n")) {
    const [action, what] = line.split(" ");
    if (action === "insmod") {
      load.add(what!.slice(what!.indexOf(`/${RELEASE}/`) + RELEASE.length + 2));
    } else if (action === "builtin") builtin.add(what!);
  }
  return { load: [...load], builtin: [...builtin] };
}

async function withImage(
  run: (files: FileSystem) => Promise<void>,
): Promise<void> {
  const file = await openFile(IMAGE!);
  try {
    await run(await openErofs(withReadAhead(file)));
  } finally {
    await file.close();
  }
}

const asWanted = (names: readonly string[]): WantedModule[] =>
  names.map((name) => ({ name, wantedBy: "the test" }));

async function compare(
  files: FileSystem,
  names: readonly string[],
): Promise<void> {
  const found = await resolveModules(files, RELEASE, asWanted(names));
  const expected = modprobe(names);
  assert.deepEqual(found.load.map(({ file }) => file), expected.load);
  assert.deepEqual(found.builtin.map(({ name }) => name), expected.builtin);
}

test(
  "resolveModules() orders stage0's modules as modprobe does",
  { skip },
  () =>
    withImage(async (files) => {
      for (const rootFileSystem of ["erofs", "ext4", "squashfs"] as const) {
        const base = baseModules({ rootFileSystem, serial: true });
        await compare(files, base.map(({ name }) => name));
        for (const { name } of base) await compare(files, [name]);
      }
    }),
);

test("resolveModules() orders the modules of every profile as modprobe does", {
  skip,
}, () =>
  withImage(async (files) => {
    const folder = new URL("../../devpros/", import.meta.url);
    let count = 0;
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      if (!name.endsWith(".yaml")) continue;
      const text = readFileSync(new URL(name, folder), "utf8");
      const list = /^( *)kernel_modules:\n((?:\1 +(?:- .*|#.*)\n)+)/m.exec(
        text.replace(/^\s*\n/gm, ""),
      );
      assert.ok(list, `${name} has no list of modules`);
      const names = [...list[2]!.matchAll(/- ["']?([\w-]+)/g)]
        .map((match) => match[1]!);
      assert.ok(names.length > 0, name);
      await compare(files, names);
      for (const each of names) await compare(files, [each]);
      count++;
    }
    console.log(`compared ${count} profiles`);
  }));

test("resolveModules() orders each module of many kinds as modprobe does", {
  skip,
}, () =>
  withImage(async (files) => {
    const index = await openModuleIndex(files, RELEASE);
    const kinds =
      /drivers\/(?:usb\/(?:dwc|gadget|typec|common|phy|roles)|phy\/qualcomm|clk\/qcom|soc\/qcom|extcon|interconnect\/qcom|regulator)|fs\/(?:ext4|btrfs|bcachefs|f2fs|smb|overlayfs)/;
    const names = [...index.modules.values()]
      .filter(({ name, file }) => kinds.test(file) || index.soft.has(name))
      .map(({ name }) => name);
    assert.ok(names.length > 200, `${names.length} modules`);
    for (const name of names) await compare(files, [name]);
  }));

test(
  "resolveModules() orders all modules together as modprobe does",
  { skip },
  () =>
    withImage(async (files) => {
      const index = await openModuleIndex(files, RELEASE);
      const names = [...index.modules.keys()].sort();
      assert.ok(names.length > 4000, `${names.length} modules`);
      await compare(files, names);
    }),
);

test("openModuleIndex() reads the same from binary indexes as from text", {
  skip,
}, async () => {
  const names = readdirSync(FOLDER).filter((name) => /^modules\./.test(name));
  const binary = names.filter((name) =>
    !["modules.dep", "modules.builtin", "modules.alias"].includes(name)
  );
  const open = (names: readonly string[]) =>
    openModuleIndex(
      withPaths(MemorySource.from(names.map((name) => ({
        path: `/usr/lib/modules/${RELEASE}/${name}`,
        type: "file" as const,
        content: readFileSync(join(FOLDER, name)),
      })))),
      RELEASE,
    );
  const [fromBinary, fromText] = [await open(binary), await open(names)];
  const sorted = <T>(map: ReadonlyMap<string, T>) =>
    [...map].sort(([a], [b]) => a < b ? -1 : 1);
  assert.deepEqual(sorted(fromBinary.modules), sorted(fromText.modules));
  assert.deepEqual(
    [...fromBinary.builtin].sort(),
    [...fromText.builtin].sort(),
  );
  assert.deepEqual(
    sorted(await fromBinary.aliases()),
    sorted(await fromText.aliases()),
  );
});

test(
  "parseKmodIndex() gives a coded error for any index cut short",
  { skip },
  () => {
    const bytes = readFileSync(join(FOLDER, "modules.builtin.bin"));
    assert.equal(
      parseKmodIndex(bytes, "whole").size,
      new Set(
        readFileSync(join(FOLDER, "modules.builtin"), "utf8").trim().split("\n")
          .map(moduleNameOf),
      ).size,
    );
    for (let size = 0; size < bytes.length; size += 97) {
      assert.throws(() => parseKmodIndex(bytes.subarray(0, size), "cut"), {
        code: "module.damaged-index",
      });
    }
  },
);

test(
  "resolveModules() follows soft dependencies, aliases and what is built in as modprobe does",
  {
    skip: skip || spawnSync("depmod", ["--version"]).status !== 0,
  },
  async () => {
    // Real modules and indexes, made-up soft dependencies.
    const root = mkdtempSync(join(tmpdir(), "fastboop-modules-"));
    try {
      const folder = join(root, "lib/modules", RELEASE);
      mkdirSync(folder, { recursive: true });
      symlinkSync(join(FOLDER, "kernel"), join(folder, "kernel"));
      for (const name of readdirSync(FOLDER)) {
        if (name.startsWith("modules.") && !/softdep/.test(name)) {
          symlinkSync(join(FOLDER, name), join(folder, name));
        }
      }
      const softdep = [
        "# comment",
        "softdep usb-f-fs pre: overlay crypto-crc32c no-such post: squashfs usb_f_acm",
        "softdep usb_f_fs pre: btrfs",
        "softdep configfs post: libcomposite",
        "softdep overlay pre: erofs usb_f_fs post: overlay",
        "softdep squashfs pre: kvm binfmt_script crc32",
        "softdep libcrc32c pre: crc32c post: ext4",
        "softdep u_serial ublk_drv pre: ublk-drv",
      ].join("\n");
      writeFileSync(join(folder, "modules.softdep"), `${softdep}\n`);
      const tree = MemorySource.from(
        readdirSync(folder).filter((name) => name.startsWith("modules."))
          .map((name) => ({
            path: `/lib/modules/${RELEASE}/${name}`,
            type: "file",
            content: readFileSync(join(folder, name)),
          })),
      );
      const index = await openModuleIndex(withPaths(tree), RELEASE);
      for (const { file } of index.modules.values()) {
        const at = file.lastIndexOf("/");
        let directory = tree.rootNumber;
        const parts = `/lib/modules/${RELEASE}/${file.slice(0, at)}`.split("/");
        for (const part of parts.slice(1)) {
          const inode = await tree.inode(directory);
          directory = await tree.lookup(inode, part) ??
            tree.link(directory, part, tree.add({ type: "directory" }));
        }
        tree.link(directory, file.slice(at + 1), tree.add({ type: "file" }));
      }
      const files = withPaths(tree);
      for (
        const names of [
          ["usb_f_fs"],
          ["configfs"],
          ["overlay"],
          ["squashfs"],
          ["erofs"],
          ["usb-f-acm"],
          ["crypto-crc32c"],
          ["fs-ext4", "fs-erofs"],
          ["usb_f_acm", "usb_f_fs", "erofs", "overlay"],
        ]
      ) {
        const found = await resolveModules(files, RELEASE, asWanted(names));
        const expected = modprobe(names, root);
        assert.deepEqual(
          found.load.map(({ file }) => file),
          expected.load,
          names.join(),
        );
        assert.deepEqual(
          found.builtin.map(({ name }) => name),
          expected.builtin,
          names.join(),
        );
      }
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  },
);

test(
  "readModules() unpacks as xz does, or leaves files as they are",
  { skip },
  () =>
    withImage(async (files) => {
      const wanted = baseModules({ rootFileSystem: "ext4", serial: true });
      const { load } = await resolveModules(files, RELEASE, wanted);
      const unpacked = await readModules(files, load);
      const stored = await readModules(files, load, { keepCompressed: true });
      for (
        const [i, { module, file, bytes, storedSize }] of unpacked.entries()
      ) {
        const path = join(FOLDER, module.file);
        const { stdout } = spawnSync("xz", ["-dc", path], {
          maxBuffer: 1 << 28,
        });
        assert.ok(stdout.equals(bytes), file);
        assert.equal(foldModuleName(basename(file)), `${module.name}.ko`);
        assert.ok(readFileSync(path).equals(stored[i]!.bytes), module.file);
        assert.equal(stored[i]!.file, module.file);
        assert.equal(storedSize, stored[i]!.bytes.length);
      }
      const signature = "~Module signature appended~\n";
      const signed = unpacked.filter(({ bytes }) =>
        new TextDecoder("latin1").decode(bytes.subarray(-signature.length)) ===
          signature
      );
      assert.ok([0, unpacked.length].includes(signed.length));
    }),
);

test("resolveModules() reads little of the image", { skip }, async () => {
  const file = await openFile(IMAGE!);
  try {
    const record = withRecord(file);
    const files = await openErofs(withReadAhead(record));
    const wanted = baseModules({ rootFileSystem: "erofs" });
    await resolveModules(files, RELEASE, wanted);
    console.log(
      `read ${record.report.bytes} bytes in ${record.report.requests} requests`,
    );
    assert.ok(record.report.bytes < 512 << 10, `${record.report.bytes} bytes`);
  } finally {
    await file.close();
  }
});

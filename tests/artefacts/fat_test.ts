import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import type { ManifestEntry } from "../../scripts/fixtures/manifest.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { openFat } from "../../src/format/fat/open.ts";
import { compareWithManifest, hash } from "../support/compare.ts";
import { extracted, missingPrograms } from "../support/extracted.ts";

const IMAGES = ["odd.fat12", "odd.fat16", "odd.fat16-4096", "odd.fat32"];
/** Whole folders, with times, without questions. */
const MCOPY = ["mcopy", "-s", "-m", "-Q", "-n", "-i"];

/** A test of a fixture; a missing one is a visible skip. */
function fixtureTest(
  name: string,
  title: string,
  run: (path: string) => Promise<void>,
): void {
  const path = findFixture(name);
  const reason = path === undefined
    ? `missing: run deno task fixtures ${name}`
    : missingPrograms("mtools", "fsck.vfat");
  const skip = reason === undefined ? {} : { skip: reason };
  test(`${name}: ${title}`, skip, () => run(path!));
}

for (const name of IMAGES) {
  fixtureTest(name, "every path is as mcopy extracts it", async (path) => {
    const manifest = extracted([...MCOPY, path, "::*", "@"]).map((entry) => {
      const seen: Record<string, unknown> = { ...entry };
      for (const key of ["mode", "uid", "gid"]) delete seen[key];
      return seen as unknown as ManifestEntry;
    });
    const file = await openFile(path);
    try {
      const files = await openFat(withReadAhead(file));
      assert.equal(files.kind, name.toUpperCase().slice(4, 9));
      assert.equal(files.source.label, "ODD LABEL");
      const { differences, paths } = await compareWithManifest(files, manifest);
      assert.deepEqual(differences, []);
      assert.ok(paths > 60, `${paths} paths`);
    } finally {
      await file.close();
    }
  });

  fixtureTest(name, "files lie where mshowfat says", async (path) => {
    const file = await openFile(path);
    try {
      const files = await openFat(file);
      const { clusterSize, dataStart } = files.source.volume;
      const inode = await files.stat("/pieces/in-pieces");
      const runs = (await files.source.extentsOf(inode)).map((extent) => {
        const first = (extent.offset - dataStart) / clusterSize + 2;
        const last = first + Math.ceil(extent.size / clusterSize) - 1;
        return first === last ? `<${first}>` : `<${first}-${last}>`;
      });
      assert.ok(runs.length > 20, `${runs.length} pieces`);
      const { stdout } = spawnSync(
        "mshowfat",
        ["-i", path, "::/pieces/in-pieces"],
        { encoding: "utf8" },
      );
      assert.equal(
        stdout.trim().split(/\s+/).slice(1).join(" "),
        runs.join(" "),
      );
    } finally {
      await file.close();
    }
  });
}

for (const name of IMAGES) {
  fixtureTest(
    name,
    "has the files and clusters that fsck.vfat counts",
    async (path) => {
      const { stdout } = spawnSync("fsck.vfat", ["-n", path], {
        encoding: "utf8",
      });
      const [, names, used, all] = stdout.match(
        /: (\d+) files, (\d+)\/(\d+) clusters/,
      )!;
      const file = await openFile(path);
      try {
        const files = await openFat(file);
        const { clusterSize, clusterCount, rootCluster } = files.source.volume;
        let paths = 0;
        let clusters = 0;
        let folders = 0;
        for await (const { inode } of files.walk("/")) {
          if (inode.number !== files.source.rootNumber) paths++;
          if (inode.type === "directory") folders++;
          else clusters += Math.ceil(inode.size / clusterSize);
        }
        // it counts the label, which is an entry of the root, as a file
        assert.equal(paths + 1, Number(names));
        assert.equal(clusterCount, Number(all));
        // a folder has one cluster at least, and the root of FAT32 is one
        if (rootCluster === 0) folders--;
        assert.ok(clusters + folders <= Number(used), `${clusters + folders}`);
        assert.ok(clusters + folders * 64 > Number(used));
      } finally {
        await file.close();
      }
    },
  );
}

fixtureTest("odd.fat32", "finds names whatever their case", async (path) => {
  const file = await openFile(path);
  try {
    const files = await openFat(file);
    const number = async (path: string) => (await files.find(path))?.number;
    const { stdout } = spawnSync("mdir", ["-i", path, "::/names"], {
      encoding: "utf8",
    });
    const [, base, extension] = stdout.match(/^(\S+) +(\S+) .* longname-1/m)!;
    const alias = `${base}.${extension}`;
    assert.match(alias, /^LONGNA~\d\.TEX$/);
    for (
      const [stored, other] of [
        ["/names/MixedCase.Txt", "/NAMES/mixedcase.TXT"],
        ["/names/Übergröße.txt", "/names/üBERGRÖßE.TXT"],
        ["/names/longname-1.text", `/names/${alias}`],
        ["/names/lower.txt", "/names/LOWER.TXT"],
        ["/names/ελληνικά.txt", "/names/ΕΛΛΗΝΙΚΆ.TXT"],
      ] as const
    ) {
      assert.notEqual(await number(stored), undefined, stored);
      assert.equal(await number(other), await number(stored), other);
    }
    assert.equal(await number("/names/longname-9.text"), undefined);
    assert.equal((await files.stat("/names/UPPER.TXT")).mode, 0o555);
  } finally {
    await file.close();
  }
});

fixtureTest(
  "odd.fat32",
  "opening costs 3 reads, a file 2 more",
  async (path) => {
    const file = await openFile(path);
    try {
      const source = withRecord(file);
      const files = await openFat(source);
      assert.ok(source.report.requests <= 3, `${source.report.requests} reads`);
      source.reset();
      // the first file of the root: its clusters are beside each other and its table is read
      const content = await files.open("/zeros");
      await content.read(0, new Uint8Array(content.size));
      assert.ok(source.report.requests <= 2, `${source.report.requests} reads`);
      source.reset();
      const crowd = [];
      for await (const { name } of files.list("/crowd")) crowd.push(name);
      assert.equal(crowd.length, 1200);
      const listing = source.report.requests;
      assert.ok(listing <= 4, `${listing} reads of a directory`);
      for (const name of crowd) await files.stat(`/crowd/${name}`);
      assert.ok(source.report.requests <= listing + 1, "it was read once");
    } finally {
      await file.close();
    }
  },
);

fixtureTest(
  "odd.fat12",
  "a file in pieces is read from any byte",
  async (path) => {
    const file = await openFile(path);
    try {
      const files = await openFat(file);
      const content = await files.open("/pieces/in-pieces");
      const whole = await hash(content);
      assert.equal(await hash(content, 777), whole);
    } finally {
      await file.close();
    }
  },
);

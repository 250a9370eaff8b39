import assert from "node:assert/strict";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import type { ManifestEntry } from "../../scripts/fixtures/manifest.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import type { IsoNames } from "../../src/format/iso9660/image.ts";
import { openIso9660 } from "../../src/format/iso9660/open.ts";
import { compareWithManifest } from "../support/compare.ts";
import { extracted, missingPrograms } from "../support/extracted.ts";

/** Options of bsdtar that leave it the names wanted. */
const BSDTAR: Readonly<Record<IsoNames, readonly string[]>> = {
  "rock-ridge": [],
  "joliet": ["--options", "iso9660:!rockridge"],
  "plain": ["--options", "iso9660:!rockridge,iso9660:!joliet"],
};
/** Modes of xorriso; it has none that leaves out both. */
const XORRISO: Readonly<Record<IsoNames, string>> = {
  "rock-ridge": "any",
  "joliet": "norock",
  "plain": "",
};

interface Case {
  readonly fixture: string;
  readonly names: IsoNames;
  readonly judge: "bsdtar" | "xorriso";
  /** Paths that must be there at least. */
  readonly paths: number;
  /** Paths without `/` in front that the judge cannot extract. */
  readonly beyond?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    fixture: "debian-arm64.iso-part",
    names: "rock-ridge",
    judge: "bsdtar",
    paths: 1000,
  },
  {
    fixture: "odd.iso-xorriso",
    names: "rock-ridge",
    judge: "bsdtar",
    paths: 3500,
    // it extracts a file
    beyond: ["types/socket"],
  },
  {
    fixture: "odd.iso-genisoimage",
    names: "rock-ridge",
    judge: "bsdtar",
    paths: 3800,
    // it reads these device numbers wrong, and leaves some moved directories where they were moved to
    beyond: ["types/socket", "types/block", "types/char", "abyss", "rr_moved"],
  },
  {
    fixture: "odd.iso-genisoimage",
    names: "rock-ridge",
    judge: "xorriso",
    paths: 3800,
    beyond: ["types/socket", "types/block", "types/char"],
  },
  {
    fixture: "debian-arm64.iso-part",
    names: "joliet",
    judge: "bsdtar",
    paths: 1000,
  },
  {
    fixture: "odd.iso-joliet",
    names: "joliet",
    judge: "bsdtar",
    paths: 3000,
  },
  {
    fixture: "odd.iso-xorriso",
    names: "joliet",
    judge: "xorriso",
    paths: 3500,
  },
  { fixture: "odd.iso-plain", names: "plain", judge: "bsdtar", paths: 3000 },
  { fixture: "odd.iso-xorriso", names: "plain", judge: "bsdtar", paths: 3500 },
];

for (const each of CASES) {
  const { fixture, names, judge } = each;
  const path = findFixture(fixture);
  const reason = path === undefined
    ? `missing: run deno task fixtures ${fixture}`
    : missingPrograms(judge);
  const skip = reason === undefined ? {} : { skip: reason };
  const title = `every path is as ${judge} extracts it, ${names}`;
  test(`${fixture}: ${title}`, skip, async () => {
    const manifest = new Map(
      extract(path!, each).map((entry) => [entry.path, entry]),
    );
    const file = await openFile(path!);
    try {
      const files = await openIso9660(withReadAhead(file), { names });
      assert.equal(files.source.names, names);
      for await (const { path, inode: { type } } of files.walk("/")) {
        if (isBeyond(each, path)) {
          manifest.set(path, { path, type } as ManifestEntry);
        }
      }
      const { differences, paths } = await compareWithManifest(
        files,
        [...manifest.values()],
      );
      assert.deepEqual(differences.map((line) => line.slice(-200)), []);
      assert.ok(paths > each.paths, `${paths} paths`);
    } finally {
      await file.close();
    }
  });
}

function isBeyond({ beyond = [] }: Case, path: string): boolean {
  return beyond.some((each) => `${path}/`.startsWith(`/${each}/`));
}

function extract(path: string, each: Case): ManifestEntry[] {
  const { names, judge, beyond = [] } = each;
  const argv = judge === "bsdtar"
    ? [
      ...["bsdtar", "-xpf", path, ...BSDTAR[names], "-C", "@"],
      ...beyond.flatMap((each) => ["--exclude", each]),
    ]
    : [
      ...["xorriso", "-report_about", "WARNING", "-read_fs", XORRISO[names]],
      ...["-osirrox", "on", "-indev", path, "-extract", "/", "@"],
    ];
  return extracted(argv).filter(({ path }) => !isBeyond(each, path))
    .map((entry) => {
      const seen: Record<string, unknown> = { ...entry };
      // without Rock Ridge every program makes these up
      const madeUp = names === "rock-ridge" ? [] : ["mode", "uid", "gid"];
      for (const key of madeUp) delete seen[key];
      // xorriso does not set the time of links
      if (judge === "xorriso" && entry.type === "symlink") delete seen["mtime"];
      if (names === "plain") seen["path"] = entry.path.toLowerCase();
      return seen as unknown as ManifestEntry;
    });
}

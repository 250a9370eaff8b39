/**
 * What every {@linkcode FileSystem} must do, judged against a list of what is in the image.
 *
 * @module
 */

import test from "node:test";
import assert from "node:assert/strict";
import { isCoded } from "../../src/errors.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import type { FileSystem, FileType, Inode } from "../../src/fs/filesystem.ts";

/** What is known of one path from another program. Absent fields are not compared. */
export interface ManifestEntry {
  /** Absolute, without links in it. */
  readonly path: string;
  readonly type: FileType;
  readonly size?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly rdev?: number;
  readonly linkCount?: number;
  /** Of a link. */
  readonly target?: string;
  /** Of a file: the content, or its SHA-256 in hex. */
  readonly content?: Uint8Array;
  readonly sha256?: string;
  /** Paths with the same text here are names of one inode. */
  readonly hardLinkGroup?: string;
}

/** A file system to judge, and what to do when done with it. */
export interface FileSystemUnderTest {
  readonly files: FileSystem;
  readonly close?: () => Promise<void> | void;
}

/**
 * Registers the suite for one image.
 *
 * @param manifest All paths but the root.
 */
export function fileSystemConformance(
  name: string,
  make: () => Promise<FileSystemUnderTest>,
  manifest: readonly ManifestEntry[],
): void {
  const check = (
    title: string,
    run: (files: FileSystem) => Promise<void>,
  ) =>
    test(`${name} ${title}`, async () => {
      const { files, close } = await make();
      try {
        await run(files);
      } finally {
        await close?.();
      }
    });
  const file = manifest.find((entry) => entry.type === "file");
  const directory = manifest.find((entry) => entry.type === "directory");

  check("gives the attributes of every path", async (files) => {
    for (const entry of manifest) {
      assertInode(await files.lstat(entry.path), entry);
    }
    assert.equal((await files.stat("/")).type, "directory");
  });

  check("lists every directory", async (files) => {
    const children = new Map<string, Map<string, ManifestEntry>>([
      ["/", new Map()],
    ]);
    for (const entry of manifest) {
      if (entry.type === "directory") children.set(entry.path, new Map());
    }
    for (const entry of manifest) {
      const [parent, base] = splitPath(entry.path);
      children.get(parent)!.set(base, entry);
    }
    for (const [path, expected] of children) {
      const names: string[] = [];
      for await (const { name, number, type } of files.list(path)) {
        names.push(name);
        const entry = expected.get(name);
        assert.ok(entry !== undefined, `"${name}" in "${path}" is not known`);
        if (type !== undefined) assert.equal(type, entry.type, entry.path);
        assert.equal(number, (await files.lstat(entry.path)).number);
      }
      assert.deepEqual(names.sort(), [...expected.keys()].sort(), path);
    }
  });

  check("walks to every path once, parents first", async (files) => {
    const seen = new Set<string>();
    for await (const { path, inode } of files.walk()) {
      assert.ok(!seen.has(path), `"${path}" came twice`);
      if (path !== "/") assert.ok(seen.has(splitPath(path)[0]), path);
      seen.add(path);
      assert.equal(typeof inode.number, "number");
    }
    seen.delete("/");
    const expected = manifest.map((entry) => entry.path);
    assert.deepEqual([...seen].sort(), expected.sort());
  });

  check("gives the target of every link", async (files) => {
    for (const { path, type, target } of manifest) {
      if (type !== "symlink" || target === undefined) continue;
      assert.equal(await files.readLink(path), target, path);
    }
  });

  check("gives the content of every file", async (files) => {
    for (const entry of manifest) {
      if (entry.type !== "file") continue;
      const reader = await files.open(entry.path);
      const bytes = await readExactly(reader, 0, reader.size);
      if (entry.content !== undefined) {
        assert.ok(sameBytes(bytes, entry.content), entry.path);
      }
      if (entry.sha256 !== undefined) {
        assert.equal(await sha256(bytes), entry.sha256, entry.path);
      }
      assert.equal(await reader.read(reader.size, new Uint8Array(1)), 0);
    }
  });

  check("gives one number to the names of one inode", async (files) => {
    const groups = new Map<string, number>();
    for (const { path, hardLinkGroup } of manifest) {
      if (hardLinkGroup === undefined) continue;
      const { number } = await files.lstat(path);
      assert.equal(number, groups.get(hardLinkGroup) ?? number, path);
      groups.set(hardLinkGroup, number);
    }
    assert.equal(new Set(groups.values()).size, groups.size);
  });

  check("says by code what cannot be had", async (files) => {
    const missing = "/no such name here";
    assert.equal(await files.find(missing), undefined);
    await rejects(files.stat(missing), "fs.not-found");
    await rejects(files.open("/"), "fs.not-a-file");
    await rejects(files.readLink("/"), "fs.not-a-link");
    await rejects(files.stat("/" + "n".repeat(256)), "fs.name-too-long");
    if (file !== undefined) {
      assert.equal(await files.find(`${file.path}/below`), undefined);
      await rejects(files.stat(`${file.path}/below`), "fs.not-a-directory");
      await rejects(files.stat(`${file.path}/`), "fs.not-a-directory");
      await rejects(drain(files.list(file.path)), "fs.not-a-directory");
      await rejects(files.readLink(file.path), "fs.not-a-link");
    }
  });

  check("resolves dots", async (files) => {
    assert.equal(await files.resolve("/../.."), "/");
    if (directory === undefined) return;
    const { path } = directory;
    assert.equal(await files.resolve(`${path}/.//./`), path);
    assert.equal(await files.resolve(path.slice(1)), path);
    assert.equal(await files.resolve(`${path}/..`), splitPath(path)[0]);
  });

  check("rejects with the reason when aborted before", async (files) => {
    const reason = new Error("left");
    const options = { signal: AbortSignal.abort(reason) };
    const left = (error: unknown) => error === reason;
    await assert.rejects(files.stat("/", options), left);
    await assert.rejects(files.find("/none", options), left);
    await assert.rejects(drain(files.list("/", options)), left);
    await assert.rejects(drain(files.walk("/", options)), left);
  });
}

function assertInode(inode: Inode, entry: ManifestEntry): void {
  const keys = [
    "type",
    "size",
    "mode",
    "uid",
    "gid",
    "mtime",
    "rdev",
    "linkCount",
  ] as const;
  for (const key of keys) {
    if (entry[key] === undefined) continue;
    assert.equal(inode[key], entry[key], `${key} of "${entry.path}"`);
  }
}

function splitPath(path: string): [parent: string, name: string] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, slash) || "/", path.slice(slash + 1)];
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

async function rejects(
  work: Promise<unknown>,
  code: `${string}.${string}`,
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isCoded(error, code), String(error));
    return true;
  });
}

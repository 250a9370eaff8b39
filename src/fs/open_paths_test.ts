import test from "node:test";
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type ErrorCode, isCoded } from "../errors.ts";
import { fileSystemConformance } from "../../tests/conformance/file_system.ts";
import { MemorySource, type PathDescription } from "./memory_source.ts";
import { withPaths } from "./open_paths.ts";

const content = new TextEncoder().encode("root:x:0:0\n");
const TREE = [
  { path: "/etc", type: "directory", mode: 0o755 },
  { path: "/etc/passwd", type: "file", content, uid: 1, gid: 2, mtime: 3 },
  { path: "/usr", type: "directory" },
  { path: "/usr/bin", type: "directory" },
  { path: "/usr/bin/env", type: "file", content: new Uint8Array(0) },
  { path: "/bin", type: "symlink", target: "usr/bin" },
  { path: "/usr/abs", type: "symlink", target: "/etc/passwd" },
  { path: "/null", type: "character-device", rdev: 259 },
  { path: "/odd\udcff", type: "fifo" },
] as const satisfies PathDescription[];

fileSystemConformance(
  "withPaths()",
  () => Promise.resolve({ files: withPaths(MemorySource.from(TREE)) }),
  TREE,
);
fileSystemConformance(
  "withPaths() that remembers next to nothing",
  () => {
    const source = MemorySource.from(TREE);
    return Promise.resolve({
      files: withPaths(source, { maxInodes: 2, maxNames: 2 }),
    });
  },
  TREE,
);

function link(path: string, target: string): PathDescription {
  return { path, type: "symlink", target };
}

async function rejects(work: Promise<unknown>, code: ErrorCode) {
  await assert.rejects(work, (error) => {
    assert.ok(isCoded(error, code), String(error));
    return true;
  });
}

async function drain(iterable: AsyncIterable<{ path: string }>) {
  const paths: string[] = [];
  for await (const { path } of iterable) paths.push(path);
  return paths;
}

test("withPaths() follows links inside the image", async () => {
  const files = withPaths(MemorySource.from([
    { path: "/a/b/file", type: "file", content: "x" },
    link("/abs", "/a/b"),
    link("/a/up", "../../../../a"),
    link("/a/self", "."),
    link("/chain", "a/self/self/up/b/file"),
    link("/slash", "a/b/"),
    link("/file-slash", "a/b/file/"),
    link("/dangling", "/nowhere/at/all"),
    link("/empty", ""),
  ]));
  for (
    const [path, expected] of [
      ["/abs/file", "/a/b/file"],
      ["abs/../b", "/a/b"],
      ["/a/up/up/b", "/a/b"],
      ["/chain", "/a/b/file"],
      ["/slash", "/a/b"],
      ["/slash/", "/a/b"],
      ["//abs//.//file", "/a/b/file"],
    ] as const
  ) assert.equal(await files.resolve(path), expected, path);
  for (
    const [path, code] of [
      ["/file-slash", "fs.not-a-directory"],
      ["/chain/", "fs.not-a-directory"],
      ["/chain/.", "fs.not-a-directory"],
      ["/chain/..", "fs.not-a-directory"],
      ["/dangling", "fs.not-found"],
      ["/dangling/..", "fs.not-found"],
      ["/empty", "fs.not-found"],
      ["", "fs.not-found"],
    ] as const
  ) await rejects(files.resolve(path), code);
  assert.equal((await files.lstat("/abs")).type, "symlink");
  assert.equal((await files.lstat("/abs/")).type, "directory");
  assert.equal((await files.lstat("/dangling")).type, "symlink");
  assert.equal(await files.find("/dangling"), undefined);
  assert.equal(await files.readLink("/abs"), "/a/b");
  await rejects(files.readLink("/abs/"), "fs.not-a-link");
});

test("withPaths() follows 40 links and no more", async () => {
  const chain = Array.from(
    { length: 42 },
    (_, i) => link(`/l${i + 1}`, i === 0 ? "end" : `l${i}`),
  );
  const files = withPaths(MemorySource.from([
    { path: "/end", type: "file" },
    ...chain,
    link("/loop", "loop"),
    link("/ping", "pong"),
    link("/pong", "/ping"),
  ]));
  assert.equal(await files.resolve("/l40"), "/end");
  await rejects(files.resolve("/l41"), "fs.link-loop");
  for (const path of ["/loop", "/loop/x", "/ping"]) {
    await rejects(files.stat(path), "fs.link-loop");
    await rejects(files.find(path), "fs.link-loop");
  }
  assert.equal((await files.lstat("/loop")).type, "symlink");
});

test("withPaths() limits names and paths by their bytes", async () => {
  const longest = "ü".repeat(127) + "u";
  const source = MemorySource.from([{ path: longest, type: "file" }]);
  const huge = source.add({ type: "symlink", target: "a".repeat(4096) });
  source.link(source.rootNumber, "huge", huge);
  const files = withPaths(source);
  assert.equal((await files.stat(longest)).type, "file");
  await rejects(files.stat("ü".repeat(128)), "fs.name-too-long");
  assert.equal(await files.resolve("/".repeat(4095)), "/");
  await rejects(files.stat("/".repeat(4096)), "fs.name-too-long");
  await rejects(files.stat("huge"), "fs.name-too-long");
  assert.equal(source.calls.readLink, 0);
});

test("withPaths() asks the format once for what it remembers", async () => {
  const source = MemorySource.from(TREE);
  const files = withPaths(source);
  await files.stat("/usr/bin/env");
  await files.find("/usr/bin/none");
  const before = { ...source.calls };
  for (let i = 0; i < 10; i++) {
    await files.stat("/usr/bin/env");
    assert.equal(await files.find("/usr/bin/none"), undefined);
  }
  assert.deepEqual(source.calls, before);
});

test("withPaths() does not remember a failure", async () => {
  const source = MemorySource.from(TREE);
  const { lookup } = source;
  source.lookup = () => Promise.reject(new Error("no luck"));
  const files = withPaths(source);
  await assert.rejects(files.stat("/etc"), /no luck/);
  source.lookup = lookup;
  assert.equal((await files.stat("/etc")).type, "directory");
});

test("walk() names what it finds as the caller named the start", async () => {
  const files = withPaths(MemorySource.from(TREE));
  assert.deepEqual(await drain(files.walk("usr/")), [
    "usr/",
    "usr/bin",
    "usr/bin/env",
    "usr/abs",
  ]);
  assert.deepEqual(await drain(files.walk("/bin")), ["/bin"]);
  assert.deepEqual(await drain(files.walk("/bin/")), ["/bin/", "/bin/env"]);
  assert.deepEqual(await drain(files.walk("/null")), ["/null"]);
  await rejects(drain(files.walk("/none")), "fs.not-found");
});

test("walk() refuses directories that form a loop", async () => {
  const source = MemorySource.from([{ path: "/a/b/c", type: "directory" }]);
  const c = source.numberOf("/a/b/c");
  source.link(c, "again", source.numberOf("/a"));
  await rejects(drain(withPaths(source).walk()), "fs.directory-loop");
  const own = new MemorySource();
  own.link(own.rootNumber, "root", own.rootNumber);
  await rejects(drain(withPaths(own).walk()), "fs.directory-loop");
});

test("walk() refuses directories with two names, which could double at each level", async () => {
  const source = new MemorySource();
  let directory = source.rootNumber;
  for (let i = 0; i < 60; i++) {
    const below = source.add({ type: "directory" });
    source.link(directory, "left", below);
    source.link(directory, "right", below);
    directory = below;
  }
  await rejects(drain(withPaths(source).walk()), "fs.directory-shared");
});

test("walk() refuses a tree without bottom", async () => {
  const source = new MemorySource();
  let directory = source.rootNumber;
  for (let i = 0; i < 3000; i++) {
    directory = source.link(directory, "d", source.add({ type: "directory" }));
  }
  await rejects(drain(withPaths(source).walk()), "fs.too-deep");
});

test("walk() refuses names that lead elsewhere", async () => {
  for (const name of ["..", ".", "", "a/b", "a\0b"]) {
    const source = new MemorySource();
    source.link(source.rootNumber, name, source.add({ type: "file" }));
    await rejects(drain(withPaths(source).walk()), "fs.bad-name");
  }
});

test("walk() closes its listings when it is left", async () => {
  const source = MemorySource.from(TREE);
  const { list } = source;
  let open = 0;
  source.list = async function* (...args) {
    open++;
    try {
      yield* list.apply(source, args);
    } finally {
      open--;
    }
  };
  for await (const { path } of withPaths(source).walk()) {
    if (path === "/usr/bin/env") break;
  }
  assert.equal(open, 0);
});

test("walk() stops with the reason", async () => {
  const controller = new AbortController();
  const reason = new Error("left");
  const files = withPaths(MemorySource.from(TREE));
  let seen = 0;
  const walk = async () => {
    for await (const _ of files.walk("/", { signal: controller.signal })) {
      if (++seen === 3) controller.abort(reason);
    }
  };
  await assert.rejects(walk(), (error) => error === reason);
  assert.equal(seen, 3);
});

test("withPaths() resolves as the host does", async () => {
  // No `..` that could leave the tree: the host would go on outside of it.
  const name = fc.constantFrom("a", "b", "c", "l1", "l2", "l3", "f");
  const path = fc.array(fc.oneof(name, name, fc.constant(".")), {
    minLength: 1,
    maxLength: 5,
  });
  const tail = fc.constantFrom("", "", "/");
  const links = fc.array(
    fc.record({
      directory: fc.constantFrom("", "a", "a/b", "c"),
      name: fc.constantFrom("l1", "l2", "l3"),
      absolute: fc.boolean(),
      up: fc.nat(2),
      target: path,
      tail,
    }),
    { maxLength: 6 },
  );
  const codes: Record<string, string> = {
    ENOENT: "fs.not-found",
    ENOTDIR: "fs.not-a-directory",
    ELOOP: "fs.link-loop",
  };
  const query = fc.array(fc.tuple(path, tail), {
    minLength: 10,
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(links, query, async (links, queries) => {
      const top = await fs.realpath(await fs.mkdtemp(join(tmpdir(), "paths-")));
      try {
        const tree: PathDescription[] = [
          { path: "/a/b", type: "directory" },
          { path: "/c", type: "directory" },
          { path: "/a/f", type: "file" },
          { path: "/f", type: "file" },
        ];
        await fs.mkdir(join(top, "a/b"), { recursive: true });
        await fs.mkdir(join(top, "c"));
        await fs.writeFile(join(top, "a/f"), "");
        await fs.writeFile(join(top, "f"), "");
        const taken = new Set<string>();
        for (const { directory, name, absolute, up, target, tail } of links) {
          const path = `/${directory}/${name}`.replace("//", "/");
          if (taken.has(path)) continue;
          taken.add(path);
          const depth = directory === "" ? 0 : directory.split("/").length;
          const rest = target.join("/") + tail;
          const relative = "../".repeat(Math.min(up, depth)) + rest;
          tree.push(link(path, absolute ? `/${rest}` : relative));
          const host = absolute ? `${top}/${rest}` : relative;
          await fs.symlink(host, join(top, path));
        }
        const files = withPaths(MemorySource.from(tree));
        for (const [names, tail] of queries) {
          const path = "/" + names.join("/") + tail;
          const expected = await fs.stat(top + path).then(
            async () =>
              (await fs.realpath(top + path)).slice(top.length) || "/",
            (error) => codes[error.code] ?? error.code,
          );
          const found = await files.resolve(path).catch((error) => error.code);
          assert.equal(found, expected, path);
        }
      } finally {
        await fs.rm(top, { recursive: true });
      }
    }),
    { numRuns: 40 },
  );
});

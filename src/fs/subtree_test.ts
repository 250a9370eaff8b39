import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import { MemorySource } from "./memory_source.ts";
import { withPaths } from "./open_paths.ts";
import { openSubtree } from "./subtree.ts";

const files = withPaths(MemorySource.from([
  { path: "/etc", type: "directory" },
  { path: "/deploy/usr/lib", type: "directory" },
  { path: "/deploy/lib", type: "symlink", target: "/usr/lib" },
  { path: "/deploy/up", type: "symlink", target: "../../etc" },
  { path: "/current", type: "symlink", target: "deploy" },
]));

test("openSubtree() resolves links and dots within the subtree", async () => {
  const tree = await openSubtree(files, "/current");
  assert.equal(await tree.resolve("/lib"), "/usr/lib");
  assert.equal(await tree.resolve("/../.."), "/");
  assert.equal(await tree.find("/up"), undefined);
  assert.equal(await tree.find("/etc"), undefined);
  const paths: string[] = [];
  for await (const { path } of tree.walk()) paths.push(path);
  assert.deepEqual(paths.sort(), ["/", "/lib", "/up", "/usr", "/usr/lib"]);
});

test("openSubtree() has an identity of its own", async () => {
  const tree = await openSubtree(files, "/deploy");
  assert.notEqual(tree.identity, files.identity);
  assert.equal(tree.name, files.name);
});

test("openSubtree() refuses what is no directory", async () => {
  const error = await openSubtree(files, "/nowhere").then(
    () => undefined,
    (error) => error,
  );
  assert.ok(isCoded(error, "fs.not-found"));
});

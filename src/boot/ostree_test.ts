import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import { MemorySource } from "../fs/memory_source.ts";
import { withPaths } from "../fs/open_paths.ts";
import { isSysroot, openDeployment } from "./ostree.ts";

/** A sysroot with two deployments, as `ostree admin deploy` leaves it. */
function sysroot(loader: string) {
  const deploy = "/ostree/deploy/debian/deploy";
  return withPaths(MemorySource.from([
    { path: "/boot/loader", type: "symlink", target: loader },
    { path: `${deploy}/old.0/usr/lib`, type: "directory" },
    { path: `${deploy}/new.0/usr/lib/modules`, type: "directory" },
    { path: `${deploy}/new.0/lib`, type: "symlink", target: "/usr/lib" },
    { path: "/ostree/boot.0", type: "symlink", target: "boot.0.1" },
    { path: "/ostree/boot.1", type: "symlink", target: "boot.1.1" },
    {
      path: "/ostree/boot.0.1/debian/abc/0",
      type: "symlink",
      target: "../../../deploy/debian/deploy/old.0",
    },
    {
      path: "/ostree/boot.1.1/debian/def/0",
      type: "symlink",
      target: "../../../deploy/debian/deploy/new.0",
    },
    { path: "/ostree/plain", type: "directory" },
    { path: "/ostree/astray", type: "symlink", target: "/boot" },
  ]));
}

test("isSysroot() tells sysroots from roots that came out of OSTree", async () => {
  const of = (...paths: string[]) =>
    withPaths(MemorySource.from(
      paths.map((path) => ({ path, type: "directory" })),
    ));
  assert.equal(await isSysroot(of("/ostree/repo", "/boot")), true);
  assert.equal(await isSysroot(of("/ostree/repo", "/usr")), false);
  assert.equal(await isSysroot(of("/usr")), false);
});

test("openDeployment() takes the one that the loader would boot", async () => {
  const current = await openDeployment(sysroot("loader.1"));
  assert.equal(current.link, "/ostree/boot.1/debian/def/0");
  assert.equal(current.path, "/ostree/deploy/debian/deploy/new.0");
  assert.equal(await current.files.resolve("/lib/modules"), "/usr/lib/modules");
  const other = await openDeployment(sysroot("loader.0"));
  assert.equal(other.link, "/ostree/boot.0/debian/abc/0");
});

test("openDeployment() takes the one that is named", async () => {
  const files = sysroot("loader.1");
  const { path } = await openDeployment(files, "ostree/boot.0/debian/abc/0");
  assert.equal(path, "/ostree/deploy/debian/deploy/old.0");
});

test("openDeployment() refuses what is no link to a deployment", async () => {
  const files = sysroot("loader.1");
  for (
    const link of [
      "/ostree/boot.1/debian/none/0",
      "/ostree/plain",
      "/ostree/astray",
    ]
  ) {
    const error = await openDeployment(files, link).then(
      () => undefined,
      (error) => error,
    );
    assert.ok(isCoded(error, "ostree.bad-link"), `${link}: ${error}`);
  }
  const plain = withPaths(
    MemorySource.from([{ path: "/usr", type: "directory" }]),
  );
  const error = await openDeployment(plain).then(
    () => undefined,
    (error) => error,
  );
  assert.ok(isCoded(error, "ostree.no-deployment"), String(error));
});

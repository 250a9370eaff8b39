import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import { MemorySource, type PathDescription } from "../fs/memory_source.ts";
import { withPaths } from "../fs/open_paths.ts";
import {
  type DeviceTreeFile,
  findDeviceTree,
  readDeviceTree,
} from "./device_tree.ts";

const NAME = "qcom/sdm845-oneplus-fajita";
const RELEASE = "6.12.5-arm64";

const file = (path: string): PathDescription => ({ path, type: "file" });
const link = (path: string, target: string): PathDescription => ({
  path,
  type: "symlink",
  target,
});

/** What is found in one file system. */
async function find(
  entries: readonly PathDescription[],
  name = NAME,
): Promise<Omit<DeviceTreeFile, "files">> {
  const files = withPaths(MemorySource.from(entries));
  const found = await findDeviceTree([files], name, RELEASE);
  assert.equal(found.files, files);
  const { files: _files, ...rest } = found;
  return rest;
}

test("findDeviceTree() takes the tree of the release from whichever file system has it", async () => {
  const of = (...paths: string[]) =>
    withPaths(MemorySource.from(paths.map(file)));
  const root = of(`/boot/dtb/${NAME}.dtb`), empty = of("/x");
  const boot = of(`/dtbs/${RELEASE}/${NAME}.dtb`),
    old = of(`/dtbs/${NAME}.dtb`);
  const first = async (...systems: [typeof root, ...(typeof root)[]]) =>
    (await findDeviceTree(systems, NAME, RELEASE)).files;
  assert.equal(await first(root, old, boot), boot);
  assert.equal(await first(root, old), root);
  assert.equal(await first(empty, old), old);
  await assert.rejects(first(empty, empty), { code: "device-tree.not-found" });
});

for (
  const folder of [
    `/usr/lib/linux-image-${RELEASE}`,
    `/usr/lib/modules/${RELEASE}/dtb`,
    `/lib/modules/${RELEASE}/dtb`,
    `/usr/lib/firmware/${RELEASE}/device-tree`,
    `/lib/firmware/${RELEASE}/device-tree`,
    `/boot/dtb-${RELEASE}`,
    `/boot/dtbs-${RELEASE}`,
    `/boot/dtbs/${RELEASE}`,
  ]
) {
  test(`findDeviceTree() finds a tree of the release in ${folder}`, async () => {
    for (const name of [NAME, "sdm845-oneplus-fajita"]) {
      const path = `${folder}/${name}.dtb`;
      assert.deepEqual(await find([file(path)]), { path, release: RELEASE });
    }
  });
}

for (
  const folder of [
    "/boot/dtbs",
    "/boot/dtb",
    "/boot",
    "/usr/share/dtb",
    "/usr/lib/firmware",
    "/lib/firmware",
  ]
) {
  test(`findDeviceTree() finds a tree in ${folder}, of no release that is known`, async () => {
    for (const name of [NAME, "sdm845-oneplus-fajita"]) {
      const path = `${folder}/${name}.dtb`;
      assert.deepEqual(await find([file(path)]), { path, release: undefined });
    }
  });
}

test("findDeviceTree() takes names with a leading slash and .dtb", async () => {
  const path = `/boot/dtbs/${NAME}.dtb`;
  for (const name of [`/${NAME}`, `${NAME}.dtb`, `//${NAME}.dtb`]) {
    assert.equal((await find([file(path)], name)).path, path);
  }
});

test("findDeviceTree() prefers the tree of the release, and the whole name", async () => {
  const best = `/usr/lib/linux-image-${RELEASE}/${NAME}.dtb`;
  const { path } = await find([
    file("/boot/sdm845-oneplus-fajita.dtb"),
    file(`/boot/dtbs/${NAME}.dtb`),
    file(`/usr/lib/linux-image-6.13.1-arm64/${NAME}.dtb`),
    file(`/usr/lib/linux-image-${RELEASE}/sdm845-oneplus-fajita.dtb`),
    file(best),
  ]);
  assert.equal(path, best);
});

test("findDeviceTree() takes the newest other release where this one has no folder, and says so", async () => {
  const newest = `/usr/lib/linux-image-6.10.1-arm64/${NAME}.dtb`;
  const others = [
    file(`/usr/lib/linux-image-6.9.1-arm64/${NAME}.dtb`),
    file(newest),
  ];
  assert.deepEqual(await find(others), {
    path: newest,
    release: undefined,
    otherRelease: "6.10.1-arm64",
  });
  await assert.rejects(
    find([...others, file(`/usr/lib/linux-image-${RELEASE}/qcom/other.dtb`)]),
    (error) => isCoded(error, "device-tree.not-found"),
  );
});

test("findDeviceTree() sees through links which release a tree is of", async () => {
  const own = `/usr/lib/linux-image-${RELEASE}`;
  const other = "/boot/dtb-6.1.0-arm64";
  assert.deepEqual(
    await find([
      file(`${own}/${NAME}.dtb`),
      link("/boot/dtb", `../usr/lib/linux-image-${RELEASE}`),
    ]),
    { path: `${own}/${NAME}.dtb`, release: RELEASE },
  );
  assert.deepEqual(
    await find([
      file(`${other}/${NAME}.dtb`),
      link("/boot/dtb", "dtb-6.1.0-arm64"),
    ]),
    {
      path: `${other}/${NAME}.dtb`,
      release: undefined,
      otherRelease: "6.1.0-arm64",
    },
  );
  assert.equal(
    (await find([
      file(`/usr/lib/modules/${RELEASE}/dtb/${NAME}.dtb`),
      link("/lib", "usr/lib"),
    ])).path,
    `/usr/lib/modules/${RELEASE}/dtb/${NAME}.dtb`,
  );
});

test("findDeviceTree() says where it looked and which names are close", async () => {
  const folder = `/usr/lib/linux-image-${RELEASE}`;
  const names = ["enchilada", "fajita-x", "fajjta", "fajitas"];
  const files = [
    ...names.map((name) => file(`${folder}/qcom/sdm845-oneplus-${name}.dtb`)),
    file(`${folder}/vendor/sdm845-oneplus-fajitaa.dtb`),
    file(`${folder}/rockchip/rk3399-rockpro64.dtb`),
    file("/boot/dtbs/other/sdm845-oneplus-fajita.dtb"),
    file("/boot/config-1"),
  ];
  await assert.rejects(find(files), (error) => {
    assert.ok(isCoded(error, "device-tree.not-found"), String(error));
    assert.equal(
      error.message,
      `Cannot find device tree "${NAME}" for kernel ${RELEASE} in "memory": ` +
        `looked in ${folder} (6), /boot/dtbs (1), /boot (0); ` +
        "closest are other/sdm845-oneplus-fajita, qcom/sdm845-oneplus-fajjta, " +
        "qcom/sdm845-oneplus-fajitas, qcom/sdm845-oneplus-fajita-x, " +
        "vendor/sdm845-oneplus-fajitaa; give a file by --dtb",
    );
    return true;
  });
  await assert.rejects(find([]), /has no folder that distributions put/);
});

test("findDeviceTree() lists no directory when the tree is there", async () => {
  const source = MemorySource.from([
    file(`/usr/lib/linux-image-${RELEASE}/${NAME}.dtb`),
  ]);
  await findDeviceTree([withPaths(source)], NAME, RELEASE);
  assert.equal(source.calls.list, 0);
  assert.ok(source.calls.lookup <= 6, `${source.calls.lookup} lookups`);
});

test("findDeviceTree() refuses what cannot be part of a path", async () => {
  for (const name of ["", "/", "../x", "a//b", "a/./b", "a\0b"]) {
    await assert.rejects(find([], name), RangeError);
  }
  const files = withPaths(MemorySource.from([]));
  await assert.rejects(findDeviceTree([files], NAME, "6/12"), RangeError);
  await assert.rejects(findDeviceTree([files], NAME, ""), RangeError);
});

test("findDeviceTree() stops when its signal does", async () => {
  const reason = new Error("enough");
  const files = withPaths(MemorySource.from([file("/boot/a.dtb")]));
  await assert.rejects(
    findDeviceTree([files], NAME, RELEASE, {
      signal: AbortSignal.abort(reason),
    }),
    (error) => error === reason,
  );
});

test("readDeviceTree() refuses a file larger than any device tree before it reads", async () => {
  const files = withPaths(MemorySource.from([
    { path: "/a.dtb", type: "file", content: "tree" },
    { path: "/b.dtb", type: "file", content: new Uint8Array(4194305) },
  ]));
  assert.equal((await readDeviceTree({ files, path: "/a.dtb" })).length, 4);
  await assert.rejects(
    readDeviceTree({ files, path: "/b.dtb" }),
    (error) => isCoded(error, "fdt.too-large"),
  );
});

import assert from "node:assert/strict";
import test from "node:test";
import { MemorySource } from "../../fs/memory_source.ts";
import { withPaths } from "../../fs/open_paths.ts";
import { UsageError } from "./command.ts";
import { modelFor } from "./try.ts";

const NEVER = new AbortController().signal;
const NOTHING_SAID = { profile: undefined, ostree: undefined };
const EM_AARCH64 = 183, EM_X86_64 = 62;

/** A root below `at` whose init is for a machine of elf(5). */
function root(machine: number, at = "") {
  const header = new Uint8Array(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header[18] = machine;
  return [
    { path: `${at}/sbin`, type: "symlink" as const, target: "usr/sbin" },
    {
      path: `${at}/usr/sbin/init`,
      type: "symlink" as const,
      target: "/usr/lib/systemd/systemd",
    },
    {
      path: `${at}/usr/lib/systemd/systemd`,
      type: "file" as const,
      content: header,
    },
  ];
}

/** An OSTree sysroot with one deployment. */
function sysroot(machine: number) {
  const deployment = "/ostree/deploy/made/deploy/0123.0";
  return [
    { path: "/ostree/repo", type: "directory" as const },
    {
      path: "/ostree/boot.1/made/4567/0",
      type: "symlink" as const,
      target: "../../../deploy/made/deploy/0123.0",
    },
    ...root(machine, deployment),
  ];
}

test("modelFor() takes the virtual phone that the programs of the image are for", async () => {
  for (
    const [entries, model] of [
      [root(EM_AARCH64), "arm64"],
      [root(EM_X86_64), "x86_64"],
      [sysroot(EM_AARCH64), "arm64"],
      [sysroot(EM_X86_64), "x86_64"],
      [[], "arm64"],
    ] as const
  ) {
    const files = withPaths(MemorySource.from(entries));
    assert.equal(await modelFor(NOTHING_SAID, files, NEVER), model);
  }
});

test("modelFor() takes the virtual phone of a profile, and no other profile", async () => {
  const files = withPaths(MemorySource.from(root(EM_AARCH64)));
  const model = (profile: string) =>
    modelFor({ ...NOTHING_SAID, profile }, files, NEVER);
  assert.equal(await model("virtual-phone-x86_64"), "x86_64");
  await assert.rejects(model("oneplus-fajita"), UsageError);
});

/**
 * Making an initramfs beside the native programs.
 *
 * Both read the same files from tmpfs in the same order and leave an archive: ours in a buffer, where
 * its callers want it, theirs in a file in tmpfs. Theirs includes the start of the process, which is
 * what a user of the program waits for; ours starts with the core loaded.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { BenchCase } from "../scripts/lib/bench_case.ts";
import { type CpioEntry, packCpio } from "../src/wasm/codecs.ts";

/** Folders of the root with modules of all sizes; of a quick run, with a few. */
const FOLDER = "usr/lib/modules";
const QUICK_FOLDER = "drivers/usb";

/** Paths below a folder, each before what is in it, with a note of which are folders. */
function walk(root: string, path = ""): [path: string, folder: boolean][] {
  return readdirSync(join(root, path), { withFileTypes: true })
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap((item) => {
      const name = path === "" ? item.name : `${path}/${item.name}`;
      if (item.isDirectory()) return [[name, true], ...walk(root, name)];
      return item.isFile() ? [[name, false] as [string, boolean]] : [];
    }) as [string, boolean][];
}

function packCase(peer: string, program: string, name: string): BenchCase {
  return {
    name,
    unit: "MB/s",
    better: "more",
    peer,
    bar: 1,
    packages: [program === "cpio" ? "cpio" : "libarchive-tools"],
    async prepare(context) {
      const source = join(await context.fixture("debian-arm64.part"), FOLDER);
      const tree = join(context.folder, "modules");
      const from = context.quick
        ? join(source, readdirSync(source)[0]!, "kernel", QUICK_FOLDER)
        : source;
      mkdirSync(tree, { recursive: true });
      cpSync(from, tree, { recursive: true });
      const paths = walk(tree);
      const list = join(context.folder, "modules.list");
      writeFileSync(list, paths.map(([path]) => `${path}\n`).join(""));
      const ours = () =>
        packCpio(
          paths.map(([path, folder]): CpioEntry =>
            folder
              ? { path, type: "dir" }
              : { path, type: "file", data: readFileSync(join(tree, path)) }
          ),
        );
      const theirs = () => {
        const script = `cd "$1" && ${peer} --quiet <"$2" >"$3"`;
        const archive = join(context.folder, "modules.cpio");
        const { status, stderr } = spawnSync("sh", [
          "-c",
          script,
          "sh",
          tree,
          list,
          archive,
        ]);
        if (status !== 0) throw new Error(`Cannot run ${peer}: ${stderr}`);
      };
      const size = (await ours()).length;
      const rate = (start: number) => size / 1e3 / (performance.now() - start);
      return {
        async ours() {
          const start = performance.now();
          await ours();
          return rate(start);
        },
        theirs() {
          const start = performance.now();
          theirs();
          return Promise.resolve(rate(start));
        },
      };
    },
  };
}

/** The cases of this file. */
export const cases: readonly BenchCase[] = [
  packCase("cpio -o -H newc", "cpio", "cpio-pack"),
  packCase("bsdcpio -o --format newc", "bsdcpio", "cpio-pack-bsdcpio"),
];

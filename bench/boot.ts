/**
 * Making a boot image, as a user does: the whole program, with the image in the file cache.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { BenchCase, BenchContext } from "../scripts/lib/bench_case.ts";
import { buildInit, INIT_PACKAGES } from "../tests/support/init/build.ts";

const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));
const PROFILE = "oneplus-fajita";
/** Often enough to see the peak: it only ever rises. */
const POLL_MS = 5;

/** What one run took. */
interface Run {
  readonly seconds: number;
  readonly peakBytes: number;
}

/** Readies `fastboop boot` for Debian on a phone. */
async function prepareBoot(context: BenchContext): Promise<() => Promise<Run>> {
  const image = await context.fixture("debian-arm64.erofs-lz4hc");
  const output = join(context.folder, "boot.img");
  const stage0 = buildInit(context.folder);
  const args = [
    "boot",
    image,
    "--device-profile",
    PROFILE,
    "--stage0",
    stage0,
    "-o",
    output,
  ];
  return () =>
    run([process.execPath, "run", "--allow-all", "--no-check", CLI, ...args]);
}

function run([program, ...args]: readonly string[]): Promise<Run> {
  const start = performance.now();
  const child = spawn(program!, args, {
    stdio: ["ignore", "ignore", "inherit"],
  });
  let peakBytes = 0;
  const timer = setInterval(
    () => peakBytes = Math.max(peakBytes, peakOf(child.pid!)),
    POLL_MS,
  );
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      clearInterval(timer);
      if (code !== 0) {
        reject(new Error(`Cannot run ${args.join(" ")}: exit code ${code}`));
      } else {resolve({
          seconds: (performance.now() - start) / 1000,
          peakBytes,
        });}
    });
  });
}

/** Most memory that a process had so far (`VmHWM` of proc(5)), 0 when it has ended. */
function peakOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The cases of this file. */
export const cases: readonly BenchCase[] = [
  {
    name: "boot-image",
    unit: "s",
    better: "less",
    peer: "gzip -6 of its kernel alone",
    bar: 1 / 1.2,
    packages: INIT_PACKAGES,
    async prepare(context) {
      const boot = await prepareBoot(context);
      const kernel = await context.fixture("debian-arm64.kernel");
      const output = join(context.folder, "kernel.gz");
      await boot();
      return {
        ours: async () => (await boot()).seconds,
        theirs() {
          const start = performance.now();
          const { status } = spawnSync("sh", [
            "-c",
            'gzip -6 -c <"$1" >"$2"',
            "sh",
            kernel,
            output,
          ]);
          if (status !== 0) throw new Error(`Cannot compress "${kernel}"`);
          return Promise.resolve((performance.now() - start) / 1000);
        },
      };
    },
  },
  {
    name: "boot-image-memory",
    unit: "MiB",
    better: "less",
    bar: 300,
    packages: INIT_PACKAGES,
    async prepare(context) {
      const boot = await prepareBoot(context);
      return { ours: async () => (await boot()).peakBytes / 2 ** 20 };
    },
  },
];

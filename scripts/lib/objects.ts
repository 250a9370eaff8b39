/**
 * What the builds of C have in common: object files that are kept and used again.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Folder of the repository: all paths are relative to it, and tools run in it. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));
/** The compiler, and the Debian packages that bring it and the linkers. */
export const CLANG = "clang-19";
export const CLANG_PACKAGES: readonly string[] = ["clang-19", "lld-19"];

/** SHA-256 in hex. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Runs a tool; what it says of errors is the error. */
export async function runTool(
  tool: string,
  argv: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  try {
    return await execute(tool, [...argv], { cwd: ROOT });
  } catch (cause) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    throw new Error(`Cannot run ${tool}: ${stderr || message}`, { cause });
  }
}

/** First line of what the compiler says of itself: another one makes other objects. */
export async function clangVersion(): Promise<string> {
  return (await runTool(CLANG, ["--version"])).stdout.split("\n")[0] ?? "";
}

/** All files below a folder, sorted; none when there is no such folder. */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true })
    .catch(() => []);
  const lists = await Promise.all(
    entries.map((entry) =>
      entry.isDirectory()
        ? listFiles(`${folder}/${entry.name}`)
        : [`${folder}/${entry.name}`]
    ),
  );
  return lists.flat().sort();
}

/** SHA-256 over the names and bytes of files, each counted once, whatever their order. */
export async function hashFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of [...new Set(paths)].sort()) {
    const bytes = await readFile(join(ROOT, path));
    hash.update(`${path} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** One source and how it is compiled. */
export interface Job {
  readonly source: string;
  readonly flags: readonly string[];
}

/**
 * Compiles what is not in `cache` yet, on all processors.
 *
 * @param environment Names all that decides what comes out besides source and flags: headers, compiler.
 * @returns Paths of the objects, in the order of the jobs.
 */
export async function compileAll(
  jobs: readonly Job[],
  cache: string,
  environment: string,
): Promise<string[]> {
  await mkdir(join(ROOT, cache), { recursive: true });
  const objects: string[] = new Array(jobs.length);
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < jobs.length; at = next++) {
      objects[at] = await compile(jobs[at]!, cache, environment);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return objects;
}

async function compile(
  { source, flags }: Job,
  cache: string,
  environment: string,
): Promise<string> {
  const text = await readFile(join(ROOT, source));
  const key = sha256([environment, source, ...flags, sha256(text)].join("\0"));
  const object = `${cache}/${key.slice(0, 24)}.o`;
  if (existsSync(join(ROOT, object))) return object;
  const fresh = `${object}.${process.pid}`;
  const { stderr } = await runTool(
    CLANG,
    [...flags, "-c", source, "-o", fresh],
  );
  if (stderr) console.error(stderr.trimEnd());
  await rename(join(ROOT, fresh), join(ROOT, object));
  return object;
}

/**
 * Fetches the pinned upstream sources of what is written in C into a cache folder.
 *
 * They come from Debian's source packages through apt with a configuration of its own: nothing of
 * the system's apt is changed, and the mirror is the one the system uses. Where there is no apt, put
 * the tarballs named in the list, such as `wasm/pinned.json`, into the cache's folder `tarballs`.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

interface PinnedSource {
  readonly name: string;
  readonly package: string;
  readonly tarball: string;
  readonly sha256: string;
  readonly folder: string;
}

interface Pinned {
  readonly suite: string;
  readonly sources: readonly PinnedSource[];
  /**
   * Binary packages of the suite that are unpacked into `headers`: the kernel's interface to
   * programs. Not pinned by content, since every point release of Debian replaces them and none
   * changes what a name in them stands for.
   */
  readonly headers?: readonly { readonly package: string }[];
}

/** One tree of C and where its upstream goes. */
export interface Upstream {
  /** What is fetched, as JSON. */
  readonly pinned: string;
  /** Folder for tarballs, sources and headers. */
  readonly cache: string;
  readonly edits?: readonly Edit[];
}

/** One place in an upstream file that is changed, and why. `find` must occur exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

async function digest(path: string): Promise<string> {
  return createHash("sha256").update(await readFile(path)).digest("hex");
}

/**
 * Leaves every pinned source unpacked and edited in `sources` of the cache, and the headers in
 * `headers`. Does nothing when they are there.
 *
 * @throws {Error} when a tarball cannot be had or its SHA-256 is not the one pinned.
 */
export async function fetchSources(
  { pinned: path, cache, edits = [] }: Upstream,
): Promise<void> {
  const list = await readFile(path, "utf8");
  const pinned = JSON.parse(list) as Pinned;
  const sources = join(cache, "sources");
  const key = createHash("sha256").update(list).update(JSON.stringify(edits))
    .digest("hex");
  const stamp = join(sources, "stamp");
  if (await readFile(stamp, "utf8").catch(() => "") === key) return;

  const tarballs = join(cache, "tarballs");
  await mkdir(tarballs, { recursive: true });
  const missing = pinned.sources.filter((source) =>
    !existsSync(join(tarballs, source.tarball))
  );
  const { suite, headers = [] } = pinned;
  if (missing.length > 0 || headers.length > 0) {
    const env = await configureApt(cache, suite, [
      ...missing.map((source) => source.tarball),
      ...headers.map((header) => header.package),
    ]);
    if (missing.length > 0) await download(env, tarballs, missing);
    await fetchHeaders(env, cache, headers.map((header) => header.package));
  }

  const fresh = `${sources}.${process.pid}`;
  await mkdir(fresh, { recursive: true });
  for (const source of pinned.sources) {
    const path = join(tarballs, source.tarball);
    const found = await digest(path);
    if (found !== source.sha256) {
      await rm(path);
      throw new Error(
        `Cannot use "${source.tarball}": SHA-256 is ${found}, expected ${source.sha256}`,
      );
    }
    await run("tar", ["-xf", path, "-C", fresh, "--no-same-owner"]);
  }
  for (const edit of edits) await apply(join(fresh, edit.file), edit);
  await writeFile(join(fresh, "stamp"), key);
  await rm(sources, { recursive: true, force: true });
  await rename(fresh, sources);
}

async function apply(path: string, edit: Edit): Promise<void> {
  const text = await readFile(path, "utf8");
  const parts = text.split(edit.find);
  if (parts.length !== 2) {
    throw new Error(
      `Cannot edit "${edit.file}": found ${
        parts.length - 1
      } places of "${edit.find}", expected 1`,
    );
  }
  await writeFile(path, parts.join(edit.replace));
}

/** Makes a configuration of apt that knows one suite; gives the environment that selects it. */
async function configureApt(
  cache: string,
  suite: string,
  wanted: readonly string[],
): Promise<NodeJS.ProcessEnv> {
  const { stdout } = await run("apt-get", [
    "indextargets",
    "--format",
    "$(REPO_URI)",
    "Identifier: Packages",
    "Origin: Debian",
    "Label: Debian",
  ]);
  const mirror = stdout.split("\n")[0];
  if (!mirror) {
    throw new Error(
      `Cannot download ${
        wanted.join(", ")
      }: apt knows no Debian mirror, expected one; put tarballs into ${cache}/tarballs`,
    );
  }
  const apt = join(cache, "apt");
  await mkdir(join(apt, "lists/partial"), { recursive: true });
  await mkdir(join(apt, "cache/archives/partial"), { recursive: true });
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const options = existsSync(keyring) ? `[signed-by=${keyring}] ` : "";
  await writeFile(
    join(apt, "sources.list"),
    ["deb-src", "deb"].map((type) =>
      `${type} ${options}${mirror} ${suite} main\n`
    ).join(""),
  );
  await writeFile(
    join(apt, "apt.conf"),
    [
      `Dir::Etc::sourcelist "${apt}/sources.list";`,
      `Dir::Etc::sourceparts "-";`,
      `Dir::State::lists "${apt}/lists";`,
      `Dir::Cache "${apt}/cache";`,
      `Debug::NoLocking "true";`,
      `APT::Sandbox::User "";`,
      "",
    ].join("\n"),
  );
  const env = { ...process.env, APT_CONFIG: join(apt, "apt.conf") };
  await run("apt-get", ["-q", "update"], { env });
  return env;
}

async function download(
  env: NodeJS.ProcessEnv,
  tarballs: string,
  sources: readonly PinnedSource[],
): Promise<void> {
  await run(
    "apt-get",
    [
      "-q",
      "source",
      "--download-only",
      "--tar-only",
      // Else an installed binary package of that name asks for its own version.
      "--only-source",
      ...sources.map((source) => source.package),
    ],
    { env, cwd: tarballs },
  );
}

async function fetchHeaders(
  env: NodeJS.ProcessEnv,
  cache: string,
  packages: readonly string[],
): Promise<void> {
  if (packages.length === 0) return;
  const debs = join(cache, `debs.${process.pid}`);
  const headers = join(cache, "headers");
  await mkdir(debs, { recursive: true });
  await run("apt-get", ["-q", "download", ...packages], { env, cwd: debs });
  await rm(headers, { recursive: true, force: true });
  for (const name of await readdir(debs)) {
    await run("dpkg-deb", ["--extract", join(debs, name), headers]);
  }
  await rm(debs, { recursive: true });
}

/**
 * Web servers that other people wrote, serving one folder: what ours is held against.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/** A server that runs. */
export interface ServerProgram {
  /** Without a slash at its end. */
  readonly origin: string;
  stop(): Promise<void>;
}

/** Name and password that Apache wants below `/private`. */
export const APACHE_USER = { name: "me", password: "p@ss:wörd" };

const APACHE = "/usr/sbin/apache2";
const MODULES = "/usr/lib/apache2/modules";

/** Why Apache cannot be started; `undefined` when it can. */
export function missingApache(): string | undefined {
  const { status } = spawnSync(APACHE, ["-v"]);
  return status === 0 ? undefined : "apache2 is missing: install apache2-bin";
}

/** Why Python cannot be started; `undefined` when it can. */
export function missingPython(): string | undefined {
  const { status } = spawnSync("python3", ["--version"]);
  return status === 0 ? undefined : "python3 is missing";
}

/**
 * Apache serving `folder`: `/files` as it is, `/private` with a password, `/moved` by a redirect to
 * `/files`, `/packed` with gzip over everything.
 *
 * @param work A folder for its own files.
 */
export async function startApache(
  folder: string,
  work: string,
): Promise<ServerProgram> {
  const { name, password } = APACHE_USER;
  const sha = createHash("sha1").update(password).digest("base64");
  writeFileSync(join(work, "passwords"), `${name}:{SHA}${sha}\n`);
  for (let attempt = 0;; attempt++) {
    // Apache cannot say which port it got: one that was free a moment ago
    const port = await freePort();
    const config = join(work, "apache.conf");
    writeFileSync(config, apacheConfig(folder, work, port));
    const child = spawn(APACHE, ["-X", "-f", config], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const origin = `http://127.0.0.1:${port}`;
    const up = await answers(origin, child);
    if (up === undefined) return { origin, stop: () => stop(child) };
    await stop(child);
    assert.ok(attempt < 3, `Apache does not start: ${up}`);
  }
}

function apacheConfig(folder: string, work: string, port: number): string {
  const modules = [
    "mpm_event",
    "authz_core",
    "authz_user",
    "authn_core",
    "authn_file",
    "auth_basic",
    "alias",
    "filter",
    "deflate",
  ].map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`);
  return `
${modules.join("\n")}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${work}/pid
ErrorLog ${work}/errors
DocumentRoot ${work}
Alias /files ${folder}
Alias /private ${folder}
Alias /packed ${folder}
Redirect /moved ${`http://localhost:${port}/files`}
<Directory ${folder}>
  Require all granted
</Directory>
<Location /private>
  AuthType Basic
  AuthName private
  AuthUserFile ${work}/passwords
  Require valid-user
</Location>
<Location /packed>
  SetOutputFilter DEFLATE
</Location>
`;
}

/** The server of Python's standard library, which knows no ranges. */
export async function startPython(folder: string): Promise<ServerProgram> {
  const child = spawn("python3", [
    "-u",
    "-m",
    "http.server",
    "--bind",
    "127.0.0.1",
    "--directory",
    folder,
    "0",
  ], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const origin = await new Promise<string>((resolve, reject) => {
      let text = "";
      child.stdout!.on("data", (data) => {
        text += data;
        const port = / port (\d+) /.exec(text)?.[1];
        if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
      });
      child.on("exit", () => reject(new Error(`Python ended: ${text}`)));
    });
    return { origin, stop: () => stop(child) };
  } catch (error) {
    await stop(child);
    throw error;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

/** Waits until a server answers anything; gives what it said when it ends instead. */
async function answers(
  origin: string,
  child: ChildProcess,
): Promise<string | undefined> {
  let text = "";
  child.stderr?.on("data", (data) => text += data);
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) return text;
    try {
      const response = await fetch(origin);
      await response.body?.cancel();
      return undefined;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return `it does not answer. ${text}`;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

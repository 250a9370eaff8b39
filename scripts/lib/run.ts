/**
 * Runs other programs: with a time limit, and none left behind when this one is interrupted.
 *
 * @module
 */

/** How a program ended. */
export interface RunResult {
  /** Exit code; -1 when the program could not be started. */
  readonly code: number;
  /** Standard output and error in the order they came. */
  readonly output: string;
  readonly seconds: number;
  readonly timedOut: boolean;
}

/** What {@linkcode run} can be told. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Then the program is ended; 20 minutes when absent. */
  readonly timeoutMs?: number;
  /** Shows the output as it comes. */
  readonly live?: boolean;
}

const running = new Set<Deno.ChildProcess>();

/** Runs a program to its end. Never rejects: what goes wrong is in the result. */
export async function run(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const start = performance.now();
  const since = () => (performance.now() - start) / 1000;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(argv[0]!, {
      args: argv.slice(1),
      env: { NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    const output = `Cannot start ${argv[0]}: ${error}\n`;
    return { code: -1, output, seconds: since(), timedOut: false };
  }
  running.add(child);
  let timedOut = false;
  const limit = options.timeoutMs ?? 20 * 60_000;
  const timer = setTimeout(() => {
    timedOut = true;
    end(child, "SIGTERM");
    setTimeout(() => end(child, "SIGKILL"), 5000);
  }, limit);
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      if (options.live) await Deno.stdout.write(chunk);
      output += decoder.decode(chunk, { stream: true });
    }
  };
  const streams = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const { code } = await child.status;
  clearTimeout(timer);
  running.delete(child);
  // A grandchild that outlives its parent may hold the pipes open: do not wait for it for ever.
  let late: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([
    streams,
    new Promise((resolve) => late = setTimeout(resolve, 2000)),
  ]);
  clearTimeout(late);
  if (timedOut) output += `\nEnded after ${limit / 1000} s\n`;
  return { code: timedOut ? 124 : code, output, seconds: since(), timedOut };
}

/** Ends the programs under way when this one is interrupted, then exits as a shell would say. */
export function endWithUs(): void {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    Deno.addSignalListener(signal, () => {
      for (const child of running) end(child, "SIGTERM");
      Deno.exit(code);
    });
  }
}

/** `--frozen` on machines that must not change the lock file. */
export function frozen(): string[] {
  const { CI } = Deno.env.toObject();
  return CI !== undefined && CI !== "" && CI !== "false" ? ["--frozen"] : [];
}

/** Files below `path` whose names end as given, sorted; of a missing path none. */
export function filesBelow(path: string, ending: string): string[] {
  const files: string[] = [];
  try {
    for (const entry of Deno.readDirSync(path)) {
      const below = `${path}/${entry.name}`;
      if (entry.name === "node_modules" || entry.name.startsWith(".")) continue;
      if (entry.isDirectory) files.push(...filesBelow(below, ending));
      else if (entry.isFile && entry.name.endsWith(ending)) files.push(below);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return files.sort();
}

/** Those of `paths` that exist. */
export function existing(...paths: string[]): string[] {
  return paths.filter((path) => {
    try {
      Deno.statSync(path);
      return true;
    } catch {
      return false;
    }
  });
}

function end(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended by itself.
  }
}

/**
 * Workers for the codec pool where there are web workers: Deno, Bun and browsers.
 *
 * @module
 */
import type { WorkerLike } from "../wasm/pool.ts";

/**
 * Gives what makes a codec worker, or undefined where there are no web workers, such as Node: a pool
 * given undefined runs its jobs inline.
 *
 * @example
 * ```ts
 * import { CodecPool } from "../wasm/pool.ts";
 * import { webWorkers } from "./web_worker.ts";
 *
 * const pool = new CodecPool({ createWorker: webWorkers() });
 * const packed = await pool.run("gzip", new Uint8Array(1000), { level: 5 });
 * pool.close();
 * ```
 */
export function webWorkers(): (() => WorkerLike) | undefined {
  if (typeof globalThis.Worker !== "function") return undefined;
  return () =>
    new Worker(new URL("../wasm/worker.ts", import.meta.url), {
      type: "module",
    }) as WorkerLike;
}

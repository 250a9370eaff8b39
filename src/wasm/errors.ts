/**
 * Errors of the WASM core itself, as opposed to those of the data given to it.
 *
 * @module
 */
import { CodedError } from "../errors.ts";

/**
 * The core could not do its work, whatever the data.
 *
 * - `wasm.no-memory`: linear memory cannot grow as far as the call needs.
 * - `wasm.crashed`: a bug in the core; the instance is discarded and the next call gets a new one.
 * - `wasm.load-failed`: the engine refused the module, for example for want of SIMD.
 * - `wasm.worker-failed`: a worker died with a job; it is replaced.
 * - `wasm.pool-closed`: the pool was closed before or while the job ran.
 */
export class CoreError extends CodedError {
  override readonly name = "CoreError";
}

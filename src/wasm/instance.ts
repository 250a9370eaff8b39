/**
 * Loads the WASM core and gives access to its functions and memory.
 *
 * Only code in this folder uses it. Addresses are plain numbers; a view of memory holds until the
 * next call that may let memory grow.
 *
 * @module
 */
import { MODULE_BASE64 } from "./core_bytes.ts";
import { decodeBase64 } from "../bytes/base64.ts";
import { CoreError } from "./errors.ts";
import type { CoreExports } from "./exports.ts";

export type { CoreExports } from "./exports.ts";

/** One instance of the core, with a linear memory of its own of at most 1 GiB that never shrinks. */
export interface Core {
  /** The functions of `wasm/fastboop.h`. A trap becomes a {@linkcode CoreError} `wasm.crashed`. */
  readonly exports: CoreExports;
  readonly memory: WebAssembly.Memory;
  /** True after a trap: memory may be in any state, so every further call fails. */
  readonly crashed: boolean;
  /**
   * Takes memory, aligned to 16 bytes. Ends all views.
   *
   * @throws {CoreError} `wasm.no-memory`
   */
  alloc(size: number): number;
  /** Gives memory back; 0 is fine. Does nothing after a crash. */
  free(pointer: number): void;
  /** Bytes of linear memory, until the next call that may let memory grow. */
  view(pointer: number, size: number): Uint8Array<ArrayBuffer>;
}

/** `FB_MEMORY_LIMIT`: linear memory of one instance, bytes. */
export const MEMORY_LIMIT = 1 << 30;

let compiling: Promise<WebAssembly.Module> | undefined;
let shared: Promise<Instance> | undefined;

/**
 * The one instance that all calls in this realm share. A failed load is not remembered, and a crashed
 * instance is replaced.
 *
 * @throws {CoreError} `wasm.load-failed`
 */
export async function loadCore(): Promise<Core> {
  const loading = shared ??= Instance.create();
  try {
    const core = await loading;
    if (!core.crashed) return core;
  } catch (error) {
    if (shared === loading) shared = undefined;
    throw error;
  }
  if (shared === loading) shared = undefined;
  return await loadCore();
}

/**
 * A new instance, for work that needs much memory: dropped afterwards, its memory is collected.
 *
 * @throws {CoreError} `wasm.load-failed`
 */
export async function instantiateCore(
  module?: WebAssembly.Module,
): Promise<Core> {
  return await Instance.create(module);
}

/**
 * The compiled module, compiled once. Workers can be sent it instead of compiling it again.
 *
 * @throws {CoreError} `wasm.load-failed`
 */
export async function compileCore(): Promise<WebAssembly.Module> {
  const compiled = compiling ??= WebAssembly.compile(
    decodeBase64(MODULE_BASE64),
  );
  try {
    return await compiled;
  } catch (cause) {
    if (compiling === compiled) compiling = undefined;
    throw loadFailed(cause);
  }
}

/** Has {@linkcode loadCore} and {@linkcode instantiateCore} use a module compiled elsewhere. */
export function adoptModule(module: WebAssembly.Module): void {
  compiling = Promise.resolve(module);
}

function loadFailed(cause: unknown): CoreError {
  return new CoreError(
    "wasm.load-failed",
    `Cannot load the WASM core: ${
      cause instanceof Error ? cause.message : String(cause)
    }; use a runtime with WebAssembly SIMD, any since 2021`,
    { cause },
  );
}

type RawFunction = (...args: readonly unknown[]) => number;

class Instance implements Core {
  readonly exports: CoreExports;
  readonly memory: WebAssembly.Memory;
  crashed = false;

  static async create(module?: WebAssembly.Module): Promise<Instance> {
    const compiled = module ?? await compileCore();
    try {
      return new Instance(await WebAssembly.instantiate(compiled));
    } catch (cause) {
      throw loadFailed(cause);
    }
  }

  constructor(instance: WebAssembly.Instance) {
    const guarded: Record<string, RawFunction> = {};
    for (const [name, value] of Object.entries(instance.exports)) {
      if (typeof value === "function") {
        guarded[name] = this.#guard(name, value as RawFunction);
      }
    }
    this.exports = guarded as unknown as CoreExports;
    this.memory = instance.exports["memory"] as WebAssembly.Memory;
  }

  alloc(size: number): number {
    // An address at or above 2 GiB cannot occur, so the signed result of the engine is the address.
    const pointer = size <= MEMORY_LIMIT ? this.exports.fb_alloc(size) : 0;
    if (pointer === 0) {
      throw new CoreError(
        "wasm.no-memory",
        `Cannot take ${size} bytes of linear memory: ${this.memory.buffer.byteLength} bytes are in use, expected at most ${MEMORY_LIMIT}`,
        { facts: { size, inUse: this.memory.buffer.byteLength } },
      );
    }
    return pointer;
  }

  free(pointer: number): void {
    if (!this.crashed) this.exports.fb_free(pointer);
  }

  view(pointer: number, size: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer as ArrayBuffer, pointer, size);
  }

  /** Nine parameters, not a rest array: this is called for every block read. */
  #guard(name: string, raw: RawFunction): RawFunction {
    return (a, b, c, d, e, f, g, h, i) => {
      if (this.crashed) throw crash(name, undefined);
      try {
        return raw(a, b, c, d, e, f, g, h, i);
      } catch (cause) {
        this.crashed = true;
        throw crash(name, cause);
      }
    };
  }
}

function crash(name: string, cause: unknown): CoreError {
  return new CoreError(
    "wasm.crashed",
    `Cannot finish ${name} in the WASM core: ${
      cause instanceof Error ? cause.message : "it crashed before"
    }; this is a bug of fastboop, please report it with the input`,
    { facts: { function: name }, cause },
  );
}

/**
 * Codec jobs off the caller's thread.
 *
 * @module
 */
import { CoreError } from "./errors.ts";
import { compileCore } from "./instance.ts";
import type { Answer, JobMap, JobName, Request } from "./jobs.ts";
import { runJob } from "./jobs.ts";
import {
  openPieceDecoder,
  type PieceDecoder,
  type PieceSpec,
} from "./pieces.ts";
import { DecoderWorkers } from "./pool_decoders.ts";
import { revive, type WorkerLike } from "./pool_worker.ts";

export type { WorkerLike } from "./pool_worker.ts";

/** How a pool is made. */
export interface CodecPoolOptions {
  /** Makes a worker that runs `worker.ts`. Without it jobs run inline, on the caller's thread. */
  readonly createWorker?: (() => WorkerLike) | undefined;
  /** Workers at most; default 2. They are made as jobs come. */
  readonly size?: number;
  /** Jobs that may wait beyond those that run; default 64. One more is refused. */
  readonly maxWaiting?: number;
}

/** What a job may be told. */
export interface JobOptions {
  /** Leaves the job: it rejects with `signal.reason` at once. */
  readonly signal?: AbortSignal | undefined;
  /** Hand the data's buffer over instead of copying it: the caller can use it no more. */
  readonly transfer?: boolean;
}

interface Job {
  readonly id: number;
  readonly request: Request;
  readonly transfer: boolean;
  readonly resolve: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly reject: (reason: unknown) => void;
}

interface Slot {
  readonly worker: WorkerLike;
  job: Job | undefined;
}

/**
 * Runs codec jobs in workers, one at a time in each, first come first served.
 *
 * A worker that dies fails its job with `wasm.worker-failed` and is replaced when the next job comes.
 * The job of a caller who left is dropped if it waits; if it runs, its worker is ended and replaced, for
 * nothing else stops a codec. If workers cannot be made at all, jobs run inline.
 */
export class CodecPool {
  readonly #createWorker: (() => WorkerLike) | undefined;
  readonly #size: number;
  readonly #maxWaiting: number;
  readonly #slots: Slot[] = [];
  readonly #waiting: Job[] = [];
  readonly #decoders: DecoderWorkers | undefined;
  #inline = false;
  #closed = false;
  #nextId = 1;
  #module: WebAssembly.Module | undefined;

  constructor(options: CodecPoolOptions = {}) {
    this.#createWorker = options.createWorker;
    this.#size = options.size ?? 2;
    this.#maxWaiting = options.maxWaiting ?? 64;
    if (this.#createWorker !== undefined) {
      this.#decoders = new DecoderWorkers(this.#createWorker, this.#size);
    }
    for (
      const [name, value, least] of [
        ["size", this.#size, 1],
        ["maxWaiting", this.#maxWaiting, 0],
      ] as const
    ) {
      if (!Number.isInteger(value) || value < least) {
        throw new RangeError(
          `Cannot make a codec pool: ${name} is ${value}, expected a whole number, at least ${least}`,
        );
      }
    }
  }

  /**
   * Runs the codec `name` on `data`; see `codecs.ts` for what it does, takes and throws.
   *
   * @throws {CoreError} `wasm.worker-failed`, `wasm.pool-closed`, `wasm.pool-full`
   */
  async run<Name extends JobName>(
    name: Name,
    data: Uint8Array,
    codecOptions: JobMap[Name],
    options: JobOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#closed) throw closed();
    if (this.#createWorker === undefined || this.#inline) {
      return await runJob({ name, data, options: codecOptions } as Request);
    }
    if (this.#module === undefined) {
      this.#module = await compileCore();
      signal?.throwIfAborted();
      if (this.#closed) throw closed();
    }
    if (!this.#hasRoom()) {
      throw new CoreError(
        "wasm.pool-full",
        `Cannot queue ${name}: ${this.#waiting.length} jobs wait, expected at most ${this.#maxWaiting}`,
        { facts: { waiting: this.#waiting.length } },
      );
    }
    return await new Promise((resolve, reject) => {
      const leave = () => {
        this.#drop(job);
        job.reject(signal?.reason);
      };
      const settle = () => signal?.removeEventListener("abort", leave);
      const job: Job = {
        id: this.#nextId++,
        request: { name, data, options: codecOptions } as Request,
        transfer: options.transfer ?? false,
        resolve: (bytes) => (settle(), resolve(bytes)),
        reject: (reason) => (settle(), reject(reason)),
      };
      signal?.addEventListener("abort", leave);
      this.#waiting.push(job);
      this.#dispatch();
    });
  }

  /**
   * Opens a decoder fed in pieces, which may live for long: in a worker that it shares with others, up
   * to `size` of them beside those of jobs; inline where there are no workers. Close it.
   *
   * Its runs reject with `wasm.worker-failed` when its worker died: open another one.
   */
  openDecoder(spec: PieceSpec): PieceDecoder {
    return this.#decoders?.open(spec) ?? openPieceDecoder(spec);
  }

  /** Ends all workers; jobs that run or wait reject with `wasm.pool-closed`. Twice is fine. */
  close(): void {
    this.#closed = true;
    this.#decoders?.close();
    const jobs = this.#waiting.splice(0);
    for (const slot of this.#slots.splice(0)) {
      slot.worker.terminate();
      if (slot.job !== undefined) jobs.push(slot.job);
    }
    for (const job of jobs) job.reject(closed());
  }

  #hasRoom(): boolean {
    return this.#waiting.length < this.#maxWaiting ||
      this.#slots.length < this.#size ||
      this.#slots.some((slot) => slot.job === undefined);
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const slot = this.#slots.find((slot) => slot.job === undefined) ??
        (this.#slots.length < this.#size ? this.#open() : undefined);
      if (this.#inline) return this.#runWaitingInline();
      if (slot === undefined) return;
      const job = this.#waiting.shift()!;
      slot.job = job;
      this.#post(slot, job);
    }
  }

  #post(slot: Slot, job: Job): void {
    const { request } = job;
    // A view of a larger buffer is copied alone, not with all around it.
    const data = job.transfer ? request.data : request.data.slice();
    try {
      slot.worker.postMessage(
        { ...request, data, id: job.id, module: this.#module },
        [data.buffer as ArrayBuffer],
      );
    } catch (error) {
      slot.job = undefined;
      job.reject(error);
    }
  }

  #open(): Slot | undefined {
    let worker: WorkerLike;
    try {
      worker = this.#createWorker!();
    } catch {
      // No workers here, for example under a strict content security policy.
      this.#inline = true;
      return undefined;
    }
    const slot: Slot = { worker, job: undefined };
    worker.onmessage = (event) => this.#finish(slot, event.data as Answer);
    worker.onerror = (event) => {
      (event as Partial<Event>).preventDefault?.();
      this.#remove(slot);
      slot.job?.reject(
        new CoreError(
          "wasm.worker-failed",
          `Cannot finish ${slot.job.request.name}: its worker died${
            event.message ? ` with "${event.message}"` : ""
          }; try again`,
          { facts: { job: slot.job.request.name } },
        ),
      );
      this.#dispatch();
    };
    this.#slots.push(slot);
    return slot;
  }

  #finish(slot: Slot, answer: Answer): void {
    const job = slot.job;
    if (job === undefined || job.id !== answer.id) return;
    slot.job = undefined;
    if (answer.ok) job.resolve(answer.bytes);
    else job.reject(revive(answer.error));
    this.#dispatch();
  }

  #runWaitingInline(): void {
    for (const job of this.#waiting.splice(0)) {
      runJob(job.request).then(job.resolve, job.reject);
    }
  }

  #drop(job: Job): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    const slot = this.#slots.find((slot) => slot.job === job);
    if (slot === undefined) return;
    this.#remove(slot);
    this.#dispatch();
  }

  #remove(slot: Slot): void {
    slot.worker.terminate();
    const at = this.#slots.indexOf(slot);
    if (at >= 0) this.#slots.splice(at, 1);
  }
}

function closed(): CoreError {
  return new CoreError(
    "wasm.pool-closed",
    "Cannot run a codec: the pool is closed",
  );
}

/**
 * Decoders fed in pieces, in workers that several of them share.
 *
 * @module
 */
import { CoreError } from "./errors.ts";
import { compileCore } from "./instance.ts";
import type { DecoderAnswer, DecoderRequest } from "./jobs.ts";
import {
  openPieceDecoder,
  type Piece,
  type PieceDecoder,
  type PieceSpec,
} from "./pieces.ts";
import { revive, type WorkerLike } from "./pool_worker.ts";

interface Waiting {
  readonly resolve: (piece: Piece) => void;
  readonly reject: (reason: unknown) => void;
}

/** A worker and what was asked of it. */
interface Slot {
  readonly worker: WorkerLike;
  readonly waiting: Map<number, Waiting>;
  decoders: number;
}

/**
 * Opens decoders in up to `size` workers. These are never ended for the sake of one caller, since the
 * decoders of others live in them: nobody can leave a run, which makes a piece and no more.
 */
export class DecoderWorkers {
  readonly #createWorker: () => WorkerLike;
  readonly #size: number;
  readonly #slots: Slot[] = [];
  #module: WebAssembly.Module | undefined;
  #nextId = 1;
  #closed = false;

  constructor(createWorker: () => WorkerLike, size: number) {
    this.#createWorker = createWorker;
    this.#size = size;
  }

  open(spec: PieceSpec): PieceDecoder {
    let slot: Slot | undefined;
    let inline: PieceDecoder | undefined;
    let closed = false;
    const decoder = this.#nextId++;
    return {
      run: async (data, finish, room) => {
        this.#module ??= await compileCore();
        if (this.#closed || closed) throw poolClosed();
        if (slot === undefined && inline === undefined) {
          slot = this.#slot();
          if (slot === undefined) inline = openPieceDecoder(spec);
          else slot.decoders++;
        }
        if (inline !== undefined) return await inline.run(data, finish, room);
        return await this.#ask(slot!, { decoder, spec, data, finish, room });
      },
      close: () => {
        if (closed) return;
        closed = true;
        inline?.close();
        if (slot === undefined || !this.#slots.includes(slot)) return;
        slot.decoders--;
        slot.worker.postMessage({ decoder, close: true }, []);
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const slot of this.#slots.splice(0)) {
      slot.worker.terminate();
      for (const { reject } of slot.waiting.values()) reject(poolClosed());
    }
  }

  /** The worker with the fewest decoders; undefined where there are no workers. */
  #slot(): Slot | undefined {
    const least = this.#slots.reduce<Slot | undefined>(
      (least, slot) =>
        least !== undefined && least.decoders <= slot.decoders ? least : slot,
      undefined,
    );
    if (least !== undefined) {
      if (least.decoders === 0 || this.#slots.length >= this.#size) {
        return least;
      }
    }
    let worker: WorkerLike;
    try {
      worker = this.#createWorker();
    } catch {
      // no workers here, for example under a strict content security policy
      return least;
    }
    const slot: Slot = { worker, waiting: new Map(), decoders: 0 };
    worker.onmessage = ({ data }) => this.#finish(slot, data as DecoderAnswer);
    worker.onerror = (event) => {
      (event as Partial<Event>).preventDefault?.();
      this.#fail(slot, event.message);
    };
    this.#slots.push(slot);
    return slot;
  }

  #ask(
    slot: Slot,
    request: Omit<DecoderRequest, "id" | "module">,
  ): Promise<Piece> {
    if (!this.#slots.includes(slot)) return Promise.reject(died(undefined));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      slot.waiting.set(id, { resolve, reject });
      // a view of a larger buffer is copied alone, not with all around it
      const data = request.data.slice();
      try {
        slot.worker.postMessage(
          { ...request, data, id, module: this.#module },
          [data.buffer as ArrayBuffer],
        );
      } catch (error) {
        slot.waiting.delete(id);
        reject(error);
      }
    });
  }

  #finish(slot: Slot, answer: DecoderAnswer): void {
    const waiting = slot.waiting.get(answer.id);
    if (waiting === undefined) return;
    slot.waiting.delete(answer.id);
    if (answer.ok) waiting.resolve(answer.piece);
    else waiting.reject(revive(answer.error));
  }

  #fail(slot: Slot, message: string | undefined): void {
    slot.worker.terminate();
    const at = this.#slots.indexOf(slot);
    if (at >= 0) this.#slots.splice(at, 1);
    for (const { reject } of slot.waiting.values()) reject(died(message));
    slot.waiting.clear();
  }
}

function poolClosed(): CoreError {
  return new CoreError(
    "wasm.pool-closed",
    "Cannot go on decoding: the decoder or its pool is closed",
  );
}

function died(message: string | undefined): CoreError {
  return new CoreError(
    "wasm.worker-failed",
    `Cannot go on decoding: its worker died${
      message ? ` with "${message}"` : ""
    }; try again`,
  );
}

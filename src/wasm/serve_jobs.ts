/**
 * The worker's side of the codec pool.
 *
 * @module
 */
import { isCoded } from "../errors.ts";
import { adoptModule } from "./instance.ts";
import {
  type Answer,
  type DecoderAnswer,
  type DecoderClosing,
  type DecoderRequest,
  type DescribedError,
  type PostedRequest,
  runJob,
} from "./jobs.ts";
import { openPieceDecoder, type PieceDecoder } from "./pieces.ts";

/** The part of a worker's global scope that is used. */
export interface WorkerScope {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
}

/** Answers jobs that come to `scope`, and keeps decoders between their pieces. */
export function serveJobs(scope: WorkerScope): void {
  const decoders = new Map<number, PieceDecoder>();
  let adopted = false;
  scope.onmessage = async (event) => {
    const request = event.data as
      | PostedRequest
      | DecoderRequest
      | DecoderClosing;
    if ("close" in request) {
      decoders.get(request.decoder)?.close();
      decoders.delete(request.decoder);
      return;
    }
    if (!adopted) {
      adoptModule(request.module);
      adopted = true;
    }
    if ("decoder" in request) {
      const answer = await pieceOf(request, decoders);
      scope.postMessage(answer, answer.ok ? [answer.piece.bytes.buffer] : []);
    } else {
      const answer = await answerTo(request);
      scope.postMessage(answer, answer.ok ? [answer.bytes.buffer] : []);
    }
  };
}

async function answerTo(request: PostedRequest): Promise<Answer> {
  const { id } = request;
  try {
    return { id, ok: true, bytes: await runJob(request) };
  } catch (error) {
    return { id, ok: false, error: describe(error) };
  }
}

async function pieceOf(
  { id, decoder, spec, data, finish, room }: DecoderRequest,
  decoders: Map<number, PieceDecoder>,
): Promise<DecoderAnswer> {
  let open = decoders.get(decoder);
  if (open === undefined) {
    open = openPieceDecoder(spec, { turns: false });
    decoders.set(decoder, open);
  }
  try {
    return { id, ok: true, piece: await open.run(data, finish, room) };
  } catch (error) {
    return { id, ok: false, error: describe(error) };
  }
}

function describe(error: unknown): DescribedError {
  const { name = "Error", message = String(error) } = error as Partial<Error>;
  return {
    type: name,
    code: isCoded(error) ? error.code : undefined,
    message,
    facts: isCoded(error) ? error.facts : undefined,
  };
}

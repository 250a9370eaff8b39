/**
 * The worker's side of the codec pool.
 *
 * @module
 */
import { isCoded } from "../errors.ts";
import { adoptModule } from "./instance.ts";
import { type Answer, type PostedRequest, runJob } from "./jobs.ts";

/** The part of a worker's global scope that is used. */
export interface WorkerScope {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
}

/** Answers jobs that come to `scope`. */
export function serveJobs(scope: WorkerScope): void {
  let adopted = false;
  scope.onmessage = async (event) => {
    const request = event.data as PostedRequest;
    if (!adopted) {
      adoptModule(request.module);
      adopted = true;
    }
    const answer = await answerTo(request);
    scope.postMessage(answer, answer.ok ? [answer.bytes.buffer] : []);
  };
}

async function answerTo(request: PostedRequest): Promise<Answer> {
  const { id } = request;
  try {
    return { id, ok: true, bytes: await runJob(request) };
  } catch (error) {
    const { name = "Error", message = String(error) } = error as Partial<Error>;
    return {
      id,
      ok: false,
      error: {
        type: name,
        code: isCoded(error) ? error.code : undefined,
        message,
        facts: isCoded(error) ? error.facts : undefined,
      },
    };
  }
}

/**
 * Entry of a worker of the codec pool: only ever loaded as a worker.
 *
 * @module
 */
import { serveJobs, type WorkerScope } from "./serve_jobs.ts";

serveJobs(globalThis as unknown as WorkerScope);

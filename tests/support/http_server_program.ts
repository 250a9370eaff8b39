/**
 * The web server of the tests as a program: `FILE LATENCY_MS`. Prints its link, runs until it is ended.
 *
 * @module
 */

import process from "node:process";
import { startHttpServer } from "./http_server.ts";

const [content, latency] = process.argv.slice(2);
const server = await startHttpServer({
  content: content!,
  latencyMs: Number(latency),
});
console.log(server.url());

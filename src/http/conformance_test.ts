import { blockReaderConformance } from "../../tests/conformance/block_reader.ts";
import {
  type ServerSettings,
  startHttpServer,
} from "../../tests/support/http_server.ts";
import { QUICK } from "../../tests/support/http_world.ts";
import type { BlockReader } from "../block/reader.ts";
import { openMemory } from "../block/memory.ts";
import { withMerging } from "../block/merge.ts";
import { withHttpAccess } from "./access.ts";
import { openHttp } from "./open.ts";

function overServer(
  name: string,
  settings: Partial<ServerSettings>,
  over: (reader: BlockReader) => BlockReader = (reader) => reader,
) {
  blockReaderConformance(name, async (content) => {
    const server = await startHttpServer({ content, ...settings });
    const reader = await openHttp(server.url(), { ...QUICK, retries: 30 });
    return {
      reader: over(reader),
      async close() {
        await reader.close();
        await server.close();
      },
    };
  });
}

overServer("openHttp()", {});
overServer("openHttp() of a server that breaks each third answer", {
  behave: ({ index }) => index % 3 === 1 ? "reset in the body" : undefined,
});
overServer("withHttpAccess() of openHttp()", {}, withHttpAccess);

const wrappers = {
  "withMerging()": (source: BlockReader) => withMerging(source),
  "withMerging() of all that is asked for": (source: BlockReader) =>
    withMerging(source, { gap: 1 << 20 }),
  "withHttpAccess()": (source: BlockReader) => withHttpAccess(source),
  "withHttpAccess() of little memory": (source: BlockReader) =>
    withHttpAccess(source, { cacheBytes: 32 << 10 }),
};
for (const [name, over] of Object.entries(wrappers)) {
  blockReaderConformance(
    name,
    (bytes) => Promise.resolve({ reader: over(openMemory(bytes)) }),
    { over },
  );
}

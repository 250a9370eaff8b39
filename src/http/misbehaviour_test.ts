import assert from "node:assert/strict";
import test from "node:test";
import type { ErrorCode } from "../errors.ts";
import {
  type LoggedRequest,
  type Misbehaviour,
  MISBEHAVIOURS,
} from "../../tests/support/http_server.ts";
import {
  assertReads,
  failsWith,
  QUICK,
  withServer,
} from "../../tests/support/http_world.ts";
import { openHttp } from "./open.ts";

/** How it ends: `fine` is with the right bytes. */
type End = ErrorCode | "fine";

interface Expected {
  /** When the server always does it. */
  readonly opening: End;
  /** When it begins after the reader was opened. */
  readonly reading: End;
  /** When it does it for the first two requests of a read, and no more. */
  readonly passing: End;
}

const always = (end: End): Expected => ({
  opening: end,
  reading: end,
  passing: end,
});
const again = (end: End): Expected => ({ ...always(end), passing: "fine" });

/** Every way to be wrong has its end. */
const EXPECTED: Readonly<Record<Misbehaviour, Expected>> = {
  "200 for a range": again("http.no-ranges"),
  "200 without a length": again("http.no-ranges"),
  "wrong start": { ...always("http.changed"), opening: "http.bad-range" },
  "wrong end": always("http.bad-range"),
  "wrong total": { ...always("http.changed"), opening: "fine" },
  "unknown total": always("http.no-size"),
  "wrong unit": always("http.bad-range"),
  "no Content-Range": always("http.bad-range"),
  "wrong Content-Length": always("http.bad-range"),
  "short body": again("http.short-body"),
  "long body": always("http.long-body"),
  "reset before the answer": again("http.network"),
  "reset in the body": again("http.network"),
  "stall before the answer": again("http.stalled"),
  "stall in the body": again("http.stalled"),
  "503": again("http.status"),
  "500": again("http.status"),
  "429 with seconds": again("http.status"),
  "429 with a date": again("http.status"),
  "408": again("http.status"),
  "401": always("http.status"),
  "403": always("http.status"),
  "404": always("http.status"),
  "410": always("http.status"),
  "416": always("http.bad-range"),
  "204": always("http.status"),
  "other ETag": { ...always("http.changed"), opening: "fine" },
  "other size": { ...always("http.changed"), opening: "fine" },
  "other date": always("fine"), // the ETag is strong and the same
  "weak ETag": { ...always("http.changed"), opening: "fine" },
  "other weak ETag": { ...always("http.changed"), opening: "fine" },
  "no validators": { ...always("http.changed"), opening: "fine" },
  "redirect loop": again("http.redirect-loop"), // two redirects are none
  "redirect to nowhere": always("http.bad-redirect"),
  "redirect without Location": always("http.bad-redirect"),
  "redirect elsewhere": always("fine"),
  "gzip": always("http.encoded"),
  "multipart": always("http.bad-range"),
  "chunked": always("fine"),
  "garbage": again("http.network"),
};

/** Half of what a broken body brings counts as progress, so these reads end well, from there on. */
const RESUMED: ReadonlySet<Misbehaviour> = new Set([
  "short body",
  "reset in the body",
  "stall in the body",
]);

for (const how of MISBEHAVIOURS) {
  const { opening, reading, passing } = EXPECTED[how];
  const whole = { offset: 100_000, length: 3001 };
  // short where it has to pass, else long enough for a machine that is busy
  const stallMs = how.startsWith("stall") ? 500 : 10_000;
  const options = { ...QUICK, stallMs };

  const judge = async (
    end: End,
    behave: (request: LoggedRequest) => Misbehaviour | undefined,
    work: (url: string) => Promise<void>,
  ) => {
    await withServer({}, async (other) => {
      await withServer({ elsewhere: other.url("/there") }, async (server) => {
        server.settings.behave = behave;
        const done = work(server.url());
        if (end === "fine") await done;
        else {
          const message = await failsWith(end, done);
          assert.match(message, /^Cannot (?:open|read .* of) "http:/);
        }
      });
    });
  };

  test(`openHttp() of a server with "${how}" ends: ${opening}`, async () => {
    await judge(opening, () => how, async (url) => {
      const reader = await openHttp(url, options);
      await reader.close();
    });
  });

  test(`a read from a server with "${how}" ends: ${reading}`, async () => {
    const bad = ({ index }: LoggedRequest) => index === 0 ? undefined : how;
    await judge(reading, bad, async (url) => {
      const reader = await openHttp(url, options);
      try {
        await assertReads(reader, whole.offset, whole.length);
      } finally {
        await reader.close();
      }
      const { statistics } = reader;
      assert.equal(statistics.openRequests, 0);
    });
  });

  test(`a read from a server with "${how}" twice ends: ${passing}`, async () => {
    const bad = ({ index }: LoggedRequest) =>
      index === 1 || index === 2 ? how : undefined;
    await judge(passing, bad, async (url) => {
      const reader = await openHttp(url, options);
      try {
        await assertReads(reader, whole.offset, whole.length);
        if (RESUMED.has(how)) {
          const { bytesReceived, retries } = reader.statistics;
          assert.equal(retries, 2);
          // nothing was fetched twice
          assert.equal(bytesReceived, 65536 + whole.length);
        }
      } finally {
        await reader.close();
      }
    });
  });
}

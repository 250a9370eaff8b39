import assert from "node:assert/strict";
import test from "node:test";
import { failsWith } from "../../tests/support/http_world.ts";
import { identityUrl, parseHttpUrl, shownUrl } from "./address.ts";
import { parseContentLength, parseContentRange } from "./content_range.ts";
import { parseRetryAfter, reasonOf } from "./failure.ts";
import { findChange, readValidators, strongest } from "./validators.ts";

test("parseContentRange() reads what RFC 9110 has, and nothing else", () => {
  const good: Record<string, unknown> = {
    "bytes 0-0/1": { start: 0, end: 1, total: 1 },
    "bytes 42-1233/1234": { start: 42, end: 1234, total: 1234 },
    "bytes 42-1233/*": { start: 42, end: 1234 },
    "bytes */1234": { total: 1234 },
    "bytes */0": { total: 0 },
    " Bytes  5-9/10 ": { start: 5, end: 10, total: 10 },
  };
  for (const [text, range] of Object.entries(good)) {
    assert.deepEqual(parseContentRange(text), range, text);
  }
  const bad = [
    "",
    "bytes",
    "bytes 5-4/10",
    "bytes 0-10/10",
    "bytes 0-0/0",
    "bytes */*",
    "bytes -5/10",
    "bytes 0-/10",
    "items 0-1/2",
    "bytes 0-9007199254740991/9007199254740993",
    "bytes 0-1/2, 3-4/5",
    "bytes 0x0-0x1/2",
  ];
  for (const text of bad) {
    assert.equal(parseContentRange(text), undefined, text);
  }
});

test("parseContentLength() reads digits only", () => {
  assert.equal(parseContentLength("0"), 0);
  assert.equal(parseContentLength(" 12 "), 12);
  for (const text of [null, "", "-1", "1e3", "1, 1", "9007199254740993"]) {
    assert.equal(parseContentLength(text), undefined);
  }
});

test("parseRetryAfter() reads seconds, and dates by the clock of the server", () => {
  const now = Date.parse("Tue, 01 Jul 2025 10:00:00 GMT");
  const date = "Tue, 01 Jul 2025 09:00:00 GMT";
  assert.equal(parseRetryAfter("120", null, now), 120_000);
  assert.equal(
    parseRetryAfter("Tue, 01 Jul 2025 10:00:30 GMT", null, now),
    30_000,
  );
  assert.equal(
    parseRetryAfter("Tue, 01 Jul 2025 09:00:05 GMT", date, now),
    5000,
  );
  assert.equal(parseRetryAfter("Tue, 01 Jul 2025 08:00:00 GMT", date, now), 0);
  for (const text of [null, "soon", "-5", "99999999999"]) {
    assert.equal(parseRetryAfter(text, null, now), undefined);
  }
});

test("readValidators() tells strong from weak, and settled from fresh", () => {
  const read = (headers: Record<string, string>) =>
    readValidators(new Headers(headers));
  const lastModified = "Tue, 01 Jul 2025 10:00:00 GMT";
  assert.deepEqual(read({}), {});
  assert.deepEqual(read({ etag: '"a"' }), { etag: '"a"' });
  assert.deepEqual(read({ etag: 'W/"a"' }), { weakEtag: 'W/"a"' });
  assert.deepEqual(read({ etag: "a" }), {}); // no ETag at all
  assert.deepEqual(read({ "last-modified": "yesterday" }), {});
  const modified = (date?: string) =>
    strongest(read({
      "last-modified": lastModified,
      ...(date === undefined ? {} : { date }),
    }));
  assert.equal(modified("Tue, 01 Jul 2025 10:02:00 GMT"), "last-modified");
  assert.equal(modified("Tue, 01 Jul 2025 10:00:30 GMT"), undefined);
  assert.equal(modified(), undefined);
  assert.equal(strongest({ etag: '"a"', lastModified }), "etag");
  assert.equal(strongest({ weakEtag: 'W/"a"' }), undefined);
});

test("findChange() compares the best that the first answer had", () => {
  const changed = (
    first: Parameters<typeof findChange>[0],
    now: Parameters<typeof findChange>[0],
  ) => findChange(first, now) !== undefined;
  const lastModified = "Tue, 01 Jul 2025 10:00:00 GMT";
  assert.ok(!changed({ etag: '"a"', lastModified }, { etag: '"a"' }));
  assert.ok(changed({ etag: '"a"' }, { etag: '"b"' }));
  assert.ok(changed({ etag: '"a"' }, { weakEtag: 'W/"a"' }));
  assert.ok(changed({ etag: '"a"', lastModified }, { lastModified }));
  assert.ok(
    !changed({ weakEtag: 'W/"a"', lastModified }, {
      weakEtag: 'W/"b"',
      lastModified,
    }),
  );
  assert.ok(changed({ lastModified }, {}));
  assert.ok(changed({ weakEtag: 'W/"a"' }, { weakEtag: 'W/"b"' }));
  assert.ok(!changed({}, { etag: '"a"' }));
  assert.match(
    findChange({ etag: '"a"' }, {})!.found,
    /^ETag none$/,
  );
});

test("parseHttpUrl() keeps credentials apart", () => {
  const address = parseHttpUrl("https://me:p%40ss%20w@h.org:8443/a?t=1#x");
  assert.deepEqual(address, {
    href: "https://h.org:8443/a?t=1",
    origin: "https://h.org:8443",
    shown: "https://h.org:8443/a?…",
    authorization: `Basic ${btoa("me:p@ss w")}`,
  });
  const odd = parseHttpUrl("http://ü:%zz@h.org/");
  const bytes = Uint8Array.from(
    atob(odd.authorization!.slice(6)),
    (c) => c.charCodeAt(0),
  );
  assert.equal(new TextDecoder().decode(bytes), "ü:%zz");
  assert.equal(parseHttpUrl("http://h.org/a").authorization, undefined);
});

test("parseHttpUrl() refuses other links without repeating them", async () => {
  for (
    const url of [
      "file:///secret",
      "ftp://me:secret@h/",
      "secret",
      "http://me:secret@h:x/",
      "data:,secret",
    ]
  ) {
    const message = await failsWith(
      "http.bad-url",
      Promise.resolve().then(() => parseHttpUrl(url)),
    );
    assert.ok(!message.includes("secret"), message);
  }
});

test("identityUrl() tells queries apart without keeping them", async () => {
  const a = await identityUrl("http://h/a?token=secret");
  const b = await identityUrl("http://h/a?token=other");
  assert.notEqual(a, b);
  assert.match(a, /^http:\/\/h\/a\?sha256=[0-9a-f]{16}$/);
  assert.equal(await identityUrl("http://h/a"), "http://h/a");
  assert.equal(shownUrl("http://me:you@h/a?b#c"), "http://h/a?…");
});

test("reasonOf() gives the innermost reason, without secrets of links", () => {
  const cause = new Error("connect to (http://me:x@h:1/a?token=s) refused");
  const error = new TypeError("fetch failed", { cause });
  assert.equal(reasonOf(error), "connect to (http://h:1/a?…) refused");
  assert.equal(reasonOf("what"), "unknown reason");
});

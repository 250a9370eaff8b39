/**
 * What suites use of `node:assert` and `node:test`, for pages of a browser: there the page's own
 * code runs the cases.
 *
 * @module
 */

/** Does nothing: cases are run by name. */
export default function test(): void {}

function fail(message: string): never {
  throw new Error(message);
}

function ok(value: unknown, message = "not ok"): void {
  if (!value) fail(message);
}

function equal(found: unknown, expected: unknown, message = ""): void {
  if (Object.is(found, expected)) return;
  fail(`${message} found ${String(found)}, expected ${String(expected)}`);
}

function text(value: unknown): string {
  return value instanceof Uint8Array
    ? `bytes ${value.join()}`
    : JSON.stringify(value) ?? String(value);
}

async function rejects(
  work: Promise<unknown>,
  wanted: ((error: unknown) => boolean) | (new () => Error),
): Promise<void> {
  const end = await work.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (end === undefined) fail("it did not reject");
  const { error } = end;
  const right = wanted.prototype instanceof Error
    ? error instanceof (wanted as new () => Error)
    : (wanted as (error: unknown) => boolean)(error);
  if (!right) fail(`rejected with ${String(error)}`);
}

test.ok = ok;
test.equal = equal;
test.notEqual = (a: unknown, b: unknown) => ok(!Object.is(a, b));
test.deepEqual = (a: unknown, b: unknown) => equal(text(a), text(b));
test.rejects = rejects;
test.fail = fail;

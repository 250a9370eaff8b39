/**
 * Parses a date of HTTP, in the one form that servers may send. `Date.parse` alone takes nearly
 * anything: `-5` is a date to it.
 *
 * @returns Milliseconds since 1970-01-01 UTC; `undefined` when it is none.
 * @see RFC 9110, section 5.6.7
 */
export function parseHttpDate(text: string | null): number | undefined {
  const form = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
  if (text === null || !form.test(text.trim())) return undefined;
  const date = Date.parse(text.trim());
  return Number.isNaN(date) ? undefined : date;
}

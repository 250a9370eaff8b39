/**
 * Reads how many tests passed out of what the test runners print.
 *
 * @module
 */

/** Tests of one run. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Output without colours, which some programs print although nobody asked. */
export function plain(output: string): string {
  // deno-lint-ignore no-control-regex
  return output.replace(/\x1b\[[0-9;]*m/g, "");
}

/** `ok | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`, the last such line. */
export function parseDeno(output: string): Counts | undefined {
  const line = output.split("\n").findLast((line) =>
    /^(?:ok|FAILED) \| \d+ passed/.test(line)
  );
  if (line === undefined) return undefined;
  return {
    passed: number(line, /(\d+) passed/),
    failed: number(line, /(\d+) failed/),
    skipped: number(line, /(\d+) ignored/),
  };
}

/** ` 12 pass`, ` 1 skip`, ` 0 fail` on lines of their own; an error outside of tests fails. */
export function parseBun(output: string): Counts | undefined {
  if (!/^\s*\d+ pass$/m.test(output)) return undefined;
  return {
    passed: number(output, /^\s*(\d+) pass$/m),
    failed: number(output, /^\s*(\d+) fail$/m) +
      number(output, /^\s*(\d+) errors?$/m),
    skipped: number(output, /^\s*(\d+) skip$/m) +
      number(output, /^\s*(\d+) todo$/m),
  };
}

/** `# pass 12` and the like at the end of TAP as Node prints it. */
export function parseTap(output: string): Counts | undefined {
  if (!/^# pass \d+$/m.test(output)) return undefined;
  return {
    passed: number(output, /^# pass (\d+)$/m),
    failed: number(output, /^# fail (\d+)$/m) +
      number(output, /^# cancelled (\d+)$/m),
    skipped: number(output, /^# skipped (\d+)$/m) +
      number(output, /^# todo (\d+)$/m),
  };
}

function number(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}

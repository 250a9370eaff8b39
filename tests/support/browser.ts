/**
 * A page of a real browser for tests: Debian's Chromium, with code of ours bundled for it.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type BrowserContext, chromium, type Page } from "playwright-core";

const PROGRAM = "/usr/bin/chromium";
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Options for a test that needs a browser: skipped where there is none. */
export function needsBrowser(): { skip?: string } {
  return spawnSync(PROGRAM, ["--version"]).error === undefined
    ? {}
    : { skip: "missing: apt-get install chromium" };
}

/** A browser with a profile of its own, on disk, and pages that run `code`. */
export interface TestBrowser {
  /** Opens a page that has run the code. */
  page(): Promise<Page>;
  close(): Promise<void>;
}

/**
 * Starts a browser whose pages run a module.
 *
 * @param code TypeScript; imports are relative to the root of the repository.
 */
export async function startBrowser(code: string): Promise<TestBrowser> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    logLevel: "silent",
    alias: {
      "node:assert/strict": join(ROOT, "tests/support/browser_assert.ts"),
      "node:test": join(ROOT, "tests/support/browser_assert.ts"),
    },
  });
  const script = outputFiles[0]!.text;
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>test</title>");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const profile = mkdtempSync(join(tmpdir(), "browser-"));
  let context: BrowserContext | undefined;
  const close = async () => {
    await context?.close();
    await new Promise((resolve) => server.close(resolve));
    rmSync(profile, { recursive: true, force: true });
  };
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath: PROGRAM,
      // tests run as root, which its sandbox does not allow
      args: ["--no-sandbox"],
    });
    const started = context;
    const { port } = server.address() as AddressInfo;
    return {
      async page() {
        const page = await started.newPage();
        await page.goto(`http://127.0.0.1:${port}/`);
        await page.addScriptTag({ content: script });
        return page;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

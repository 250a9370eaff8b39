// Runs inputs one by one and says what became of each; whoever started it watches the clock.
import { TARGETS } from "./targets.ts";

declare const self: {
  postMessage(message: unknown): void;
  onmessage:
    | ((
      event: MessageEvent<{ target: string; first: number; count: number }>,
    ) => void)
    | null;
};

self.onmessage = async ({ data: { target, first, count } }) => {
  const { makeInput, runInput } = TARGETS[target]!;
  for (let run = first; run < first + count; run++) {
    const { name, bytes } = await makeInput(run);
    self.postMessage({ run, name, state: "begun" });
    try {
      const { opened, read } = await runInput(name, bytes);
      self.postMessage({ run, name, state: "ended", opened, read });
    } catch (error) {
      const text = error instanceof Error
        ? error.stack ?? error.message
        : String(error);
      self.postMessage({ run, name, state: "failed", text });
    }
  }
};

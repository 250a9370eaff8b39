/** Something that reads bytes from outside, and inputs for it. */
export interface FuzzTarget {
  /** The input of number `run`, always the same: which seed it came from, and its bytes. */
  makeInput(
    run: number,
  ): Promise<{ name: string; bytes: Uint8Array<ArrayBuffer> }>;
  /**
   * Uses an input that came from seed `name`; throws on a bug, and on nothing else.
   *
   * @returns Whether it was taken for what it claims to be, and whether all of it could be read.
   */
  runInput(
    name: string,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly opened: boolean; readonly read: boolean }>;
}

/**
 * A map that forgets what was not used for longest, bounded by the weight of what it holds: for
 * values that differ much in size, such as parsed directories.
 */
export class Weighted<K, V> {
  readonly #limit: number;
  /** In the order of use, the one used last at the end. */
  readonly #kept = new Map<K, { readonly value: V; readonly weight: number }>();
  #weight = 0;

  /** @param limit Most weight kept; what weighs more on its own is not kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value;
  }

  set(key: K, value: V, weight: number): void {
    this.#delete(key);
    if (weight > this.#limit) return;
    for (const oldest of this.#kept.keys()) {
      if (this.#weight + weight <= this.#limit) break;
      this.#delete(oldest);
    }
    this.#kept.set(key, { value, weight });
    this.#weight += weight;
  }

  #delete(key: K): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#weight -= kept.weight;
  }
}

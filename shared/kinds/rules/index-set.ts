/** First and last index of a run without gaps. */
type Interval = readonly [first: number, last: number];

/** A set of completion indexes in the form that Kubernetes writes: `0,2-4,7`. Immutable. */
export class IndexSet {
  static readonly empty = new IndexSet([]);
  readonly #intervals: readonly Interval[];
  /** How many indexes it has. */
  readonly size: number;

  private constructor(intervals: readonly Interval[]) {
    this.#intervals = intervals;
    this.size = intervals.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }

  /** The set that `text` names, or what is wrong with it. `completions`: all indexes must be lower. */
  static parse(text: string, completions: number): IndexSet | string {
    if (text === '') return IndexSet.empty;
    const intervals: Interval[] = [];
    let previous = -1;
    for (const part of text.split(',')) {
      const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
      if (!match) return `cannot convert string to integer for index: ${JSON.stringify(part)}`;
      const first = Number(match[1]);
      const last = Number(match[2] ?? match[1]);
      if (last >= completions) return `too large index: ${JSON.stringify(part)}`;
      if (first <= previous || (match[2] !== undefined && last <= first)) {
        return `non-increasing order, previous: ${previous}, current: ${first}`;
      }
      intervals.push([first, last]);
      previous = last;
    }
    return new IndexSet(intervals);
  }

  /** The indexes below `completions` that `text` names; a part that names none is ignored. */
  static below(completions: number, text: string | undefined): IndexSet {
    const intervals: Interval[] = [];
    for (const part of text ? text.split(',') : []) {
      const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
      const first = Number(match?.[1]);
      const last = Math.min(Number(match?.[2] ?? match?.[1]), completions - 1);
      if (first <= last) intervals.push([first, last]);
    }
    return IndexSet.#joined(intervals);
  }

  static of(indexes: Iterable<number>): IndexSet {
    return IndexSet.#joined(Array.from(indexes, (index): Interval => [index, index]));
  }

  /** The intervals in order, with those joined that touch or overlap. */
  static #joined(intervals: readonly Interval[]): IndexSet {
    const result: [number, number][] = [];
    for (const [first, last] of [...intervals].sort((a, b) => a[0] - b[0])) {
      const end = result.at(-1);
      if (end && first <= end[1] + 1) end[1] = Math.max(end[1], last);
      else result.push([first, last]);
    }
    return new IndexSet(result);
  }

  has(index: number): boolean {
    return this.#intervals.some(([first, last]) => first <= index && index <= last);
  }

  union(other: IndexSet): IndexSet {
    return IndexSet.#joined([...this.#intervals, ...other.#intervals]);
  }

  /** How many indexes both have. */
  common(other: IndexSet): number {
    let count = 0;
    for (const [first, last] of this.#intervals) {
      for (const [low, high] of other.#intervals) count += Math.max(0, Math.min(last, high) - Math.max(first, low) + 1);
    }
    return count;
  }

  /** The lowest indexes below `completions` that it lacks, as many as asked for, without those that `skip` refuses. */
  missing(count: number, completions: number, skip: (index: number) => boolean): number[] {
    const missing: number[] = [];
    let index = 0;
    for (const [first, last] of [...this.#intervals, [completions, completions] as const]) {
      for (; index < first && missing.length < count; index++) if (!skip(index)) missing.push(index);
      index = Math.max(index, last + 1);
    }
    return missing;
  }

  /** As Kubernetes writes it: two neighbours with a comma, more with a hyphen. */
  toString(): string {
    return this.#intervals
      .map(([first, last]) => {
        if (first === last) return `${first}`;
        return last === first + 1 ? `${first},${last}` : `${first}-${last}`;
      })
      .join(',');
  }
}

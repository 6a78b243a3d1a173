/** The present place of a walk through an object. Its text is made only for a fault. */
export class Path {
  readonly #steps: Array<string | number> = [];

  push(step: string | number): void {
    this.#steps.push(step);
  }

  pop(): void {
    this.#steps.pop();
  }

  /** In Kubernetes' form: `spec.containers[0].name`; a map's key that is no plain name is in brackets. */
  text(last?: string | number): string {
    let out = '';
    for (const step of last === undefined ? this.#steps : [...this.#steps, last]) {
      if (typeof step === 'number') out += `[${step}]`;
      else if (out === '') out = step;
      else out += /[.[\]/]/.test(step) ? `[${step}]` : `.${step}`;
    }
    return out;
  }
}

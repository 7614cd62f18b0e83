// Runs the steps of a benchmark one after another and says on standard error which is on, of how many, and how long the rest will
// take: what the steps to come were estimated at, stretched by how much longer than estimated those that are done have taken.
// A step that fails is said so and does not end the rest.

export interface Step {
  readonly title: string;
  readonly estimateSeconds: number;
  /** What came of it, in a few words. */
  readonly run: () => Promise<string>;
}

/** Seconds that the steps from `done` on will take, after the others took `elapsedSeconds`. */
export function secondsLeft(estimates: readonly number[], done: number, elapsedSeconds: number): number {
  const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
  const before = sum(estimates.slice(0, done));
  const stretch = before > 0 ? elapsedSeconds / before : 1;
  return sum(estimates.slice(done)) * stretch;
}

export function shortTime(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** @param say takes each line. Errors: none; what a step throws is said, and given to `onFailure`. */
export async function runSteps(
  steps: readonly Step[],
  say: (line: string) => void,
  onFailure: (step: Step, why: Error) => void,
): Promise<void> {
  const estimates = steps.map(({ estimateSeconds }) => estimateSeconds);
  const startMs = performance.now();
  for (const [index, step] of steps.entries()) {
    let outcome: string;
    try {
      outcome = await step.run();
    } catch (error) {
      outcome = `failed: ${(error as Error).message}`;
      onFailure(step, error as Error);
    }
    const left = secondsLeft(estimates, index + 1, (performance.now() - startMs) / 1000);
    say(`[${index + 1}/${steps.length}, ${shortTime(left)} left] ${step.title}: ${outcome}`);
  }
}

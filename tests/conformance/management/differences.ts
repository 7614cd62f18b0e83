/**
 * Where the API answers otherwise than RabbitMQ 3.10 on purpose, each with its reason. What no longer applies fails the test, so
 * that the list cannot rot.
 */
export interface Difference {
  /** The line of the golden transcript that asks. */
  readonly request: string;
  readonly reason: string;
  readonly rabbitmq: string;
  readonly entrepot: string;
}

export const differences: readonly Difference[] = [];

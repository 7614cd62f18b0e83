/**
 * Where Entrepot may differ from RabbitMQ 3.10: each entry replaces lines of one golden transcript, and says why.
 * An entry that no longer applies (its lines are not in the golden transcript) fails the test, so the list cannot rot.
 */
export interface Difference {
  /** The golden file, as `family/scenario.txt`. */
  readonly golden: string;
  /** Lines as RabbitMQ 3.10 gives them, and what stands in their place here. */
  readonly rabbitmq: string;
  readonly entrepot: string;
  readonly reason: string;
}

export const differences: readonly Difference[] = [];

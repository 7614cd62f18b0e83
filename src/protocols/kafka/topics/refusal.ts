/** Why something was not done with a topic or its configs, as clients are told. */

import { errorCode, errorText } from "../codec/errors.ts";

/** As it stands in answers, beside what was asked for. */
export interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export const done: Outcome = { errorCode: errorCode.NONE, errorMessage: null };

export class TopicRefusal {
  readonly outcome: Outcome;

  /** @param message if it is not Kafka's own text for the code. */
  constructor(name: keyof typeof errorCode, message?: string | null) {
    const code = errorCode[name];
    this.outcome = { errorCode: code, errorMessage: message === undefined ? errorText(code) : message };
  }
}

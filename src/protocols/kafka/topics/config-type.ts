/**
 * Values of configs, read and shown as Java does it, since clients compare texts: ` +7 ` is a number, `1e3` is none where an
 * integer is due, and 0.5 is shown as `0.5`, 1 as `1.0`.
 */

export type ConfigType = "BOOLEAN" | "STRING" | "INT" | "SHORT" | "LONG" | "DOUBLE" | "LIST";

/** As DescribeConfigs numbers them. */
export const configTypeNumbers: Readonly<Record<ConfigType, number>> = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
};

export type ConfigValue = boolean | string | bigint | number | readonly string[];

/** A value that is wrong, and what Kafka says of it. */
export class ConfigFault {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** @param shown the value, as it is told. */
export function invalidValue(name: string, shown: string, why: string): ConfigFault {
  return new ConfigFault(`Invalid value ${shown} for configuration ${name}: ${why}`);
}

const bounds = {
  SHORT: { least: -(2n ** 15n), most: 2n ** 15n - 1n },
  INT: { least: -(2n ** 31n), most: 2n ** 31n - 1n },
  LONG: { least: -(2n ** 63n), most: 2n ** 63n - 1n },
};
const double = /^[+-]?(?:NaN|Infinity|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)$/;

export function readConfig(name: string, type: ConfigType, text: string): ConfigValue | ConfigFault {
  const trimmed = text.trim();
  switch (type) {
    case "STRING":
      return trimmed;
    case "LIST":
      return trimmed === "" ? [] : trimmed.split(",").map((part) => part.trim());
    case "BOOLEAN": {
      const lower = trimmed.toLowerCase();
      if (lower === "true" || lower === "false") return lower === "true";
      return invalidValue(name, text, "Expected value to be either true or false");
    }
    case "DOUBLE":
      if (double.test(trimmed)) return Number(trimmed.replace(/[fFdD]$/, ""));
      return invalidValue(name, text, "Not a number of type DOUBLE");
    default: {
      // No longer text is a number that fits, and BigInt takes its time for one.
      const number = /^[+-]?\d{1,400}$/.test(trimmed) ? BigInt(trimmed.replace("+", "")) : undefined;
      const { least, most } = bounds[type];
      if (number !== undefined && number >= least && number <= most) return number;
      return invalidValue(name, text, `Not a number of type ${type}`);
    }
  }
}

export function showConfig(value: ConfigValue): string {
  if (typeof value === "number") return showDouble(value);
  return Array.isArray(value) ? value.join(",") : String(value);
}

function showDouble(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e7)) return Number.isInteger(value) ? value.toFixed(1) : String(value);
  const [digits, exponent] = value.toExponential().split("e");
  return `${digits!.includes(".") ? digits : `${digits}.0`}E${Number(exponent)}`;
}

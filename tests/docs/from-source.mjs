/** Examples import the package by its name: here that is the source, so that nothing has to be built to run them. */
import { registerHooks } from "node:module";

const entries = {
  entrepot: new URL("../../src/start-broker.ts", import.meta.url).href,
  "entrepot/testing": new URL("../../src/start-test-broker.ts", import.meta.url).href,
};

registerHooks({
  resolve: (specifier, context, next) =>
    next(Object.hasOwn(entries, specifier) ? entries[specifier] : specifier, context),
});

// `npm run build`: makes dist/, which is what is shipped. The types of the library's entries come from the compiler, which has
// also checked everything; the code comes in a few files instead of five hundred, because finding, reading and linking that
// many was more than half of a start (docs/decisions/46-what-is-shipped-is-bundled.md).

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";

const root = import.meta.dirname;
const dist = join(root, "dist");

interface Package {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
}

/** `src/main.ts` for what the package calls `dist/main.js`. */
function entries(): string[] {
  const { bin, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package;
  const shipped = [
    ...Object.values(bin),
    ...Object.values(exports).map((target) => (typeof target === "string" ? target : target.default)),
  ];
  return shipped
    .filter((path) => path.endsWith(".js"))
    .map((path) => relative(root, join(root, path)).replace(/^dist/, "src").replace(/\.js$/, ".ts"));
}

const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: entries(),
  outbase: "src",
  outdir: "dist",
  bundle: true,
  // What several entries need, and what is loaded late, lies in files of its own.
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  packages: "external",
  logLevel: "warning",
  metafile: true,
});

// What an earlier build has left would be shipped as well. A broker that runs from here has loaded what it needs.
const written = new Set(Object.keys(metafile.outputs));
for (const path of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  const isStale = path.endsWith(".d.ts")
    ? !existsSync(join(root, "src", path.replace(/\.d\.ts$/, ".ts")))
    : path.endsWith(".js") && !written.has(join("dist", path));
  if (isStale) rmSync(join(dist, path));
}

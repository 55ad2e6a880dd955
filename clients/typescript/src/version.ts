import { createRequire } from "node:module";

const manifest = createRequire(import.meta.url)("../package.json") as { version: string };

/** Version of this package, as its manifest states it. */
export const version = manifest.version;

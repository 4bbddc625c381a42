import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const OUT = new URL("../src/doorward/ui_dist", import.meta.url).pathname;
const SMALLEST_BYTES = 1024;

/** Beside each file its gzip form, so that the server never compresses. */
function precompressed(): Plugin {
  const compress = (folder: string): void => {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) compress(path);
      else if (/\.(js|css|html|svg|json)$/.test(name) && statSync(path).size >= SMALLEST_BYTES)
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
    }
  };
  let out = OUT;
  return {
    name: "precompressed",
    apply: "build",
    configResolved: (config) => void (out = resolve(config.root, config.build.outDir)),
    closeBundle: () => compress(out),
  };
}

export default defineConfig({
  plugins: [react(), tailwind(), precompressed()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  worker: { format: "es" },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the pages' policy allows no data: but for images
    modulePreload: { polyfill: false },
    sourcemap: false,
    rolldownOptions: {
      output: {
        // what every page needs in one file: small ones compress badly
        codeSplitting: {
          groups: [
            // what most pages of the console share in another: ten small files are ten requests
            { name: "console", priority: 1, test: /\/src\/(console\/parts\/(?!Chart|Plot|stack|live|range|url|console\.css)|console\/Why\.tsx|console\/FirstCall|parts\/(Table|Empty|FormDialog))/ },
            { name: "base", priority: 2, test: /node_modules\/(react|react-dom|scheduler|@tanstack\/(react-router|router-core|history|react-store|store|react-query|query-core)|openapi-fetch)\/|lucide-react\/.*\/(chevron|circle-|x\.|plus)|\/src\/console\/(asks|parts\/(range|url))|\/src\/(api|parts|shell)\/(?!Palette|ShortcutList|SignInForm|FirstWayIn|passkey|Alone|FormDialog|Table|Empty)|preload-helper/ },
          ],
        },
      },
    },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { "/api": "http://localhost:8080", "/v1": "http://localhost:8080", "/apps": "http://localhost:8080" } },
});

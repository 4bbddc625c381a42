import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  test: { include: ["test/**/*.test.ts", "test/**/*.test.tsx"], environment: "jsdom", pool: "threads", testTimeout: 10_000 },
});

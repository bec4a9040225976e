import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The build lies in the Python package, where DashboardService finds it (limedb/rpc/assets.py).
export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    outDir: "../limedb/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the pages' policy takes no data: URLs
    modulePreload: { polyfill: false },
    manifest: "manifest.json",
  },
  // `npm run dev` asks the cluster of `make run`.
  server: { proxy: { "/limedb.v1.": "http://127.0.0.1:8484" } },
});

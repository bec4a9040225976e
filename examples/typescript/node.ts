// node build/node.js http://localhost:8484
import { run } from "./example.js";

declare const process: { argv: string[] };

await run(process.argv[2] ?? "http://localhost:8484", console.log);

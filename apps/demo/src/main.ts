import type {} from "@lease/core";
import type {} from "@lease/sqlite";

console.log("nothing here yet", process.version, process.argv.slice(2));

import type {} from "@lease/connect";
import type {} from "@lease/core";
import type {} from "@lease/sqlite";
import fastify from "fastify";
import { pino } from "pino";

const app = fastify({ loggerInstance: pino() });
process.once("SIGTERM", () => void app.close());
await app.listen({ host: "127.0.0.1", port: 5327 });

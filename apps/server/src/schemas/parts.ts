/** What requests and answers have in common. */
import { MAX, type Metadata } from "@lease/core";
import { type TSchema, Type } from "typebox";

export const closed = { additionalProperties: false } as const;
export const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);

export const Id = Type.String({ format: "uuid", description: "A UUID in lower case" });
export const AgentId = Type.String({
  minLength: 1,
  maxLength: MAX.agentIdBytes,
  description: `Who claims; at most ${MAX.agentIdBytes} bytes of UTF-8`,
});
export const Resource = Type.String({
  minLength: 1,
  maxLength: MAX.resourceBytes,
  description: '"src/app.ts", "job:42", or "src/**" for src and everything below it',
  examples: ["src/app.ts"],
});
export const Mode = Type.Enum(["exclusive", "shared"]);
export const Token = Type.Integer({
  minimum: 1,
  description: "Fencing token: only grows, and is the place in the queue",
});
export const Claim = Type.Object({ resource: Resource, mode: Mode }, closed);
export const JsonObject = Type.Unsafe<Metadata>({
  type: "object",
  additionalProperties: true,
  description: `Plain JSON, at most ${MAX.metadataBytes} bytes`,
});

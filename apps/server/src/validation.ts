/**
 * Validation by the schemas of the routes, told in the words of core's own checks: `INVALID_ARGUMENT` and the field.
 */
import { isLeaseError, LeaseError } from "@lease/core";
import { Ajv, type Options } from "ajv";
import type { FastifySchemaCompiler, FastifySchemaValidationError } from "fastify";

const common: Options = {
  removeAdditional: false,
  useDefaults: false,
  strictTypes: false,
  formats: { uuid: true },
};
/** Bodies are JSON and say what they mean; the parts of a URL are text, and `limit=5` is the number. */
const body = new Ajv({ ...common, coerceTypes: false });
const url = new Ajv({ ...common, coerceTypes: true });

export const validatorCompiler: FastifySchemaCompiler<object> = ({ schema, httpPart }) =>
  (httpPart === "body" ? body : url).compile(schema);

/** The first thing that is wrong, as the error that core would throw. */
export function invalidArgument(
  errors: readonly FastifySchemaValidationError[],
  part: string,
): LeaseError<"INVALID_ARGUMENT"> {
  return invalid(...firstProblem(errors[0], part));
}

/** @param problem - the rest of a sentence that begins with the field */
export function invalid(field: string, problem: string): LeaseError<"INVALID_ARGUMENT"> {
  return new LeaseError("INVALID_ARGUMENT", `${field} ${problem}`, { field });
}

function firstProblem(
  error: FastifySchemaValidationError | undefined,
  part: string,
): [field: string, problem: string] {
  const { keyword, instancePath = "", params = {}, message = "is not valid" } = error ?? {};
  const path = fieldOf(instancePath);
  const member = (name: unknown) => (path === "" ? String(name) : `${path}.${name}`);
  switch (keyword) {
    case "required":
      return [member(params.missingProperty), "is missing"];
    case "additionalProperties":
      return [member(params.additionalProperty), "is not known here"];
    case "enum":
      return [path, `must be one of ${(params.allowedValues as string[]).join(", ")}`];
    default:
      return [path === "" ? part : path, message];
  }
}

/** `/claims/0/mode` is `claims[0].mode`. */
function fieldOf(pointer: string): string {
  const [, ...parts] = pointer.split("/");
  return parts
    .map((part) =>
      /^\d+$/.test(part) ? `[${part}]` : `.${part.replaceAll("~1", "/").replaceAll("~0", "~")}`,
    )
    .join("")
    .replace(/^\./, "");
}

/** Runs what asks core, and names the field of an argument that core refuses as the client named it. */
export async function withFields<T>(rename: (field: string) => string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw renamed(error, rename);
  }
}

/** The error with the field of a refused argument as the client named it; any other error as it is. */
export function renamed(error: unknown, rename: (field: string) => string): unknown {
  if (!isLeaseError(error, "INVALID_ARGUMENT")) return error;
  const { field } = error.details;
  const name = rename(field);
  const message = error.message.startsWith(field) ? name + error.message.slice(field.length) : error.message;
  return new LeaseError("INVALID_ARGUMENT", message, { field: name }, { cause: error });
}

/** Batches name the place in the batch, `requests[0].ttlMs`; over HTTP there is only the one. */
export const ofOneRequest = (field: string): string =>
  field.replace(/^requests\[0\]\./, "").replace(/^ids\[0\]/, "id");

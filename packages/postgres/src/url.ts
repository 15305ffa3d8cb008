/** A Postgres URL, taken apart by hand: it may name several hosts, which the URL parser refuses. */
import { invalidArgument } from "@lease/core/backend";

/** Where to connect to, in the order in which hosts are tried. */
export interface Address {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly user?: string;
  readonly password?: string;
}

const SHAPE = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^/?#]*)\/([^/?#]*)(\?[^#]*)?(#.*)?$/i;

/** @throws `INVALID_ARGUMENT` that never repeats the URL, which may carry a password */
export function parseUrl(url: unknown, field: string): Address {
  const refuse = (problem: string) => invalidArgument(field, problem);
  const match = typeof url === "string" ? SHAPE.exec(url) : null;
  if (match === null) {
    throw refuse(
      "must be a URL such as postgres://user:password@localhost:5432/database, with special characters of the password percent-encoded",
    );
  }
  const [, login, hostList = "", database = "", query, hash] = match;
  if (query !== undefined || hash !== undefined) {
    throw refuse("must have no query: TLS is the option ssl, and other options are passed beside it too");
  }
  const decode = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      throw refuse("has a % that is not followed by two hexadecimal digits: write %25 for a percent sign");
    }
  };
  if (database === "") throw refuse("must name the database, as in postgres://localhost/app");
  const hosts = hostList.split(",").map((text) => {
    const [, ipv6, name, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
    const host = ipv6 ?? (name && decode(name));
    if (host === undefined || Number(port) > 65_535) {
      throw refuse(
        "names a host that is none: write host, host:port or [IPv6]:port, several with commas between them",
      );
    }
    return { host, port: port === undefined ? 5432 : Number(port) };
  });
  const [user, ...password] = login === undefined ? [] : login.split(":");
  return {
    hosts,
    database: decode(database),
    ...(user === undefined || user === "" ? {} : { user: decode(user) }),
    ...(password.length === 0 ? {} : { password: decode(password.join(":")) }),
  };
}
